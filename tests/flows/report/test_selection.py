import re
from datetime import date

import duckdb
import pytest

from flows.report.selection import Selection, SelectionError, literal, selected


def test_everything_is_selected_without_conditions() -> None:
    assert selected() == selected("", "", "", "") == Selection()
    assert Selection().where("event_time") == ""
    assert Selection().money("event_time") == "where currency is not null"


def test_days_are_half_open_and_of_utc() -> None:
    chosen = selected("adv", "2026-04-01", "2026-05-01", "EUR")
    assert chosen == Selection("adv", date(2026, 4, 1), date(2026, 5, 1), "EUR")
    assert chosen.money("event_time", "value > 0") == (
        "where advertiser_id = 'adv' and event_time >= timestamptz '2026-04-01 00:00:00+00' "
        "and event_time < timestamptz '2026-05-01 00:00:00+00' "
        "and currency is not null and currency = 'EUR' and value > 0"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("", "2026-05-01", "2026-05-01"), "there is no day from 2026-05-01 to before 2026-05-01"),
        (("", "yesterday"), "'from' is a day such as 2026-04-26; got 'yesterday'"),
        (("", "", "2026-13-01"), "'to' is a day"),
        (("a\x00",), "the advertiser is no name"),
        (("a" * 257,), "the advertiser is no name"),
        (("", "", "", "E\nUR"), "the currency is no name"),
    ],
)
def test_what_cannot_be_selected(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(SelectionError, match=re.escape(message)):
        selected(*words)


@pytest.mark.parametrize("text", ["x' or 1=1 --", "''", "\\'", "$$", "/*", "é'"])
def test_a_literal_is_the_text_whatever_it_holds(text: str) -> None:
    assert duckdb.sql(f"select {literal(text)}").fetchall() == [(text,)]
