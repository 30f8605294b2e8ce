"""The views of the standing questions, on a log whose answers were worked out by hand."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

import duckdb
import pytest

from tests.support.decoded import (
    DAY,
    HOUR,
    NOW,
    SECOND,
    click,
    event,
    impression,
    rejection,
    trial,
    write_result,
)

D = Decimal
BOTH, OTHER, LEAD, MIXED = (("uid2", name) for name in ("both", "other", "lead", "mixed"))
USD: Final[dict[str, Any]] = {"currency": "USD"}
EUR: Final[dict[str, Any]] = {"currency": "EUR"}
SUNDAY, MONDAY = date(2026, 5, 10), date(2026, 5, 11)
"""NOW is the midnight between them, in UTC."""

OLD: Final[dict[str, Any]] = {"time": NOW - 30 * DAY, "received_at": NOW}
PRICED: Final[dict[str, Any]] = {"spend": D(5), "time": NOW - 2 * HOUR}


def of_server(event_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any column
    """Build an event that the shop's server reports, a second after what the browser reports."""
    late: dict[str, Any] = {"event_source_id": "web", "received_at": NOW + SECOND}
    return event(event_id, **(late | fields))


LOG: Final = {
    "events": [
        # Two paths of three touchpoints: i1 of campaign a, the click i2 of a, i3 of campaign b.
        event("e1", keys=[BOTH], value=D(90), order_id="o1", **USD),
        event("e2", keys=[BOTH], source_offset=1, value=D(30), time=NOW + HOUR, **EUR),
        # One touchpoint each; the lead has neither campaign nor value.
        event("e3", keys=[LEAD], source_offset=2, event_type="lead", time=NOW + HOUR // 2),
        event("e4", keys=[OTHER], source_offset=3, value=D(50), time=NOW - HOUR, **USD),
        # Two touchpoints of campaign d, whose prices are in two currencies.
        event("e5", keys=[MIXED], source_offset=4, value=D(8), time=NOW - HOUR // 2, **USD),
        event("e6", keys=[], source_offset=5),
        event("e7", keys=[BOTH], source_offset=6, warnings=["a", "b"], **OLD),
        event("e1", keys=[BOTH], source_offset=7, value=D(90), order_id="o1", **USD),
        # The server reports e1 under the same id, e4 and e2 under their orders, and e6 without.
        of_server("e1", keys=[BOTH], source_offset=8, value=D(91), order_id="o1", **USD),
        of_server("x4", keys=[], source_offset=9, value=D(50), order_id="o4", **USD),
        event("y4", keys=[], source_offset=10, value=D(49), order_id="o4", **EUR),
        of_server("e6", keys=[], source_offset=11, received_at=NOW - SECOND),
        of_server("e1", keys=[], source_offset=12, event_type="lead", order_id="o1"),
    ],
    "impressions": [
        impression("i1", keys=[BOTH], campaign_id="a", creative_id="c", **USD, **PRICED),
        impression("i2", keys=[BOTH], source_offset=1, campaign_id="a", creative_id="c"),
        click("i2", keys=[BOTH], source_offset=2, campaign_id="a", creative_id="c"),
        impression("i3", keys=[BOTH], source_offset=3, campaign_id="b", spend=D(3), **EUR),
        click("i4", keys=[LEAD], source_offset=4, campaign_id=None),
        impression("i5", keys=[OTHER], source_offset=5, campaign_id="c", **USD, **PRICED),
        impression("i6", keys=[MIXED], source_offset=6, campaign_id="d", spend=D(4), **USD),
        impression("i7", keys=[MIXED], source_offset=7, campaign_id="d", spend=D(1), **EUR),
    ],
    "rejections": [rejection()],
    "tests": [trial()],
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = write_result(tmp_path_factory.mktemp("questions") / "result.duckdb", LOG)
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'America/Los_Angeles'")  # days are in UTC all the same
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def test_delivery_counts_on_its_day_and_conversions_on_that_of_their_event(
    result: duckdb.DuckDBPyConnection,
) -> None:
    sql = """select campaign_id, creative_id, day, impressions, clicks, conversions, value, spend,
        ctr, cpa, roas from daily_performance where model = 'last_touch' and currency = 'USD'
        order by all"""
    assert rows(result, sql) == [
        ("a", "c", SUNDAY, 2, 1, D(0), D(0), D(5), 0.5, None, 0.0),
        ("a", "c", MONDAY, 0, 0, D(3), D(181), D(0), None, None, None),
        ("b", None, SUNDAY, 1, 0, D(0), D(0), D(0), 0.0, None, None),
        ("b", None, MONDAY, 0, 0, D(0), D(0), D(0), None, None, None),
        ("c", None, SUNDAY, 1, 0, D(1), D(50), D(5), 0.0, 5.0, 10.0),
        ("d", None, SUNDAY, 2, 0, D(1), D(8), D(4), 0.0, None, 2.0),
        (None, None, SUNDAY, 0, 1, D(0), D(0), D(0), None, None, None),
        (None, None, MONDAY, 0, 0, D(1), D(0), D(0), None, None, None),
    ]


def test_other_money_has_rows_of_its_own(result: duckdb.DuckDBPyConnection) -> None:
    sql = """select campaign_id, day, conversions, valued_conversions, value, spend, roas
        from daily_performance where model = 'position_based' and currency = 'EUR'
        and (value > 0 or spend > 0) order by all"""
    assert rows(result, sql) == [
        ("a", MONDAY, D("1.8"), D("0.6"), D(18), D(0), None),
        ("b", SUNDAY, D(0), D(0), D(0), D(3), 0.0),
        ("b", MONDAY, D("1.2"), D("0.4"), D(12), D(0), None),
        ("d", SUNDAY, D(1), D(0), D(0), D(1), 0.0),
    ]


def test_every_ad_and_day_has_each_model_and_currency(result: duckdb.DuckDBPyConnection) -> None:
    sql = """select count(*), count(distinct (campaign_id, day, model, currency)),
        count(distinct (campaign_id, day)) from daily_performance"""
    assert rows(result, sql) == [(8 * 5 * 2, 8 * 5 * 2, 8)]


def test_campaigns_without_a_name_count_too(result: duckdb.DuckDBPyConnection) -> None:
    sql = """select currency, impressions, clicks, conversions, value from campaign_performance
        where model = 'linear' and campaign_id is null"""
    assert rows(result, sql) == [(None, 0, 1, D(1), D(0))]
    sql = """select currency, spend, cpa, roas from campaign_performance
        where model = 'linear' and campaign_id = 'd' order by all"""
    assert rows(result, sql) == [("EUR", D(1), None, 0.0), ("USD", D(4), None, 2.0)]


def test_time_to_convert(result: duckdb.DuckDBPyConnection) -> None:
    sql = """select event_type, touch_type, bucket, conversions, cumulative_share, median_seconds,
        p90_seconds from time_to_convert where conversions > 0
        order by event_type, touch_type, bucket_order"""
    assert rows(result, sql) == [
        ("lead", "click", "1 to 6 hours", 1, 1.0, 5400.0, 5400.0),
        ("purchase", "click", "1 to 6 hours", 3, 1.0, 3600.0, 6480.0),
        ("purchase", "view", "10 to 60 minutes", 1, 0.5, 2700.0, 3420.0),
        ("purchase", "view", "1 to 6 hours", 1, 1.0, 2700.0, 3420.0),
    ]
    sql = "select count(*), count(distinct bucket), sum(conversions) from time_to_convert"
    assert rows(result, sql) == [(3 * 10, 10, 6)]


def test_frequency(result: duckdb.DuckDBPyConnection) -> None:
    assert rows(result, "from frequency order by all") == [
        ("adv", "lead", 1, None, 1, None),
        ("adv", "purchase", 1, "USD", 1, D(50)),
        ("adv", "purchase", 2, "USD", 1, D(8)),
        ("adv", "purchase", 3, "EUR", 1, D(30)),
        ("adv", "purchase", 3, "USD", 2, D(181)),
    ]


def test_assisted_conversions(result: duckdb.DuckDBPyConnection) -> None:
    assert rows(result, "from assisted_conversions order by all") == [
        ("adv", "a", 3, 0, 0.0),
        ("adv", "b", 0, 3, None),
        ("adv", "c", 1, 0, 0.0),
        ("adv", "d", 1, 0, 0.0),
        ("adv", None, 1, 0, 0.0),
    ]


def test_channel_overlap(result: duckdb.DuckDBPyConnection) -> None:
    assert rows(result, "from channel_overlap") == [("adv", "a", "b", 3, 3, 3, 1.0)]


def test_of_two_sources_that_report_the_same_the_later_repeats(
    result: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(result, "from source_overlap order by currency") == [
        ("adv", "src", "web", "purchase", "USD", 2, 1, 1, D(141), 1, D(91)),
        ("adv", "src", "web", "purchase", None, 1, 1, 0, None, 0, None),
    ]


def test_source_quality(result: duckdb.DuckDBPyConnection) -> None:
    sql = """select event_source_id, received, rejected, test, duplicate, accepted, in_flight,
        too_old, no_identifier, warning_count, rejected_rate, duplicate_rate, too_old_rate,
        no_identifier_rate, warning_rate from source_quality where event_type = 'purchase'
        order by all"""
    assert rows(result, sql) == [
        ("src", 10, 1, 1, 1, 7, 0, 1, 2, 2, 0.1, 0.1, 1 / 7, 2 / 7, 2 / 7),
        ("web", 3, 0, 0, 0, 3, 0, 0, 2, 0, 0.0, 0.0, 0.0, 2 / 3, 0.0),
    ]
    sql = """select first_hour, last_hour from source_quality
        where (event_source_id, event_type) = ('src', 'purchase')"""
    first, last = (datetime.combine(MONDAY, time(1), UTC) - timedelta(hours=h) for h in (2, 0))
    assert rows(result, sql) == [(first, last)]
