from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flows.report.cells import (
    amount,
    change,
    count,
    duration,
    instant,
    money,
    name,
    path,
    percent,
    printable,
    ratio,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (1_234_567, "1,234,567"), (Decimal("41.773333329"), "41.8"), (None, "–")],
)
def test_counts(number: Decimal | None, text: str) -> None:
    assert count(number).text == text


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("1234567.894999", "EUR", "1,234,567.89 EUR"),
        ("1234567.5", "JPY", "1,234,568 JPY"),
        ("0.008", "USD", "0.008 USD"),
        ("0", "USD", "0.00 USD"),
        ("-12.5", "USD", "-12.50 USD"),
    ],
)
def test_money_has_the_digits_of_its_currency(value: str, currency: str, text: str) -> None:
    assert money(Decimal(value), currency).text == text
    assert amount(Decimal(value), currency).text == text.split(maxsplit=1)[0]


def test_no_money_is_no_zero() -> None:
    assert money(None, "EUR").text == money(Decimal(1), None).text == "–"


@pytest.mark.parametrize(
    ("new", "old", "text"),
    [
        ("150", "100", "+50%"),
        ("59", "100", "−41%"),
        ("100.1", "100", "0%"),
        ("99.9", "100", "0%"),
        ("5", "0", "new"),
        ("0", "0", ""),
    ],
)
def test_changes(new: str, old: str, text: str) -> None:
    assert change(Decimal(new), Decimal(old)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (59.4, "59 seconds"),
        (60, "1 minute"),
        (5_400, "1.5 hours"),
        (86_400, "1 day"),
        (2_592_000, "30 days"),
        (None, "–"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds).text == text


def test_shares_and_ratios() -> None:
    assert (percent(0.58594).text, percent(None).text) == ("58.6%", "–")
    assert (ratio(1_234.5).text, ratio(None).text) == ("1,234.50×", "–")


def test_instants_are_of_utc() -> None:
    assert instant(datetime(2026, 4, 26, 19, 30, tzinfo=UTC)).text == "2026-04-26 19:30 UTC"


def test_a_long_name_is_cut_and_keeps_its_beginning_on_hovering() -> None:
    cell = name("x" * 10_000)
    assert (len(cell.text), len(cell.title)) == (48, 401)
    assert cell.text.endswith("…")
    assert name("spring").title == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\nc\u202ed", "a�b�c�d"),
        ("سعر خاص", "سعر خاص"),
        ("a\u00a0b", "a b"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_characters_that_steer_the_text_are_shown_as_such(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_path_counts_repeats_and_leaves_out_the_middle() -> None:
    assert path(["a", "a", "b"]).text == "a ×2 → b"
    long = path([str(step) for step in range(20)])
    assert long.text == "0 → 1 → 2 → 3 → 15 more → 19"
