"""The schema is the analyst's interface: everything is commented, and every view answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.database import schema
from connectors.database.schema import TABLES, VIEWS, WITHOUT_SEQ
from tests.support.decoded import (
    DEVICE,
    HOUR,
    NOW,
    UID2,
    click,
    event,
    impression,
    measurement,
    rejection,
    trial,
    write_result,
)

D = Decimal
CREATE = schema.create
"""That of the product; while tests run, tables are copied."""


@pytest.fixture(scope="module")
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        CREATE(connection)
        yield connection


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """Three purchases over two campaigns and two currencies, and one of everything else."""
    path = tmp_path_factory.mktemp("schema") / "result.duckdb"
    paid = {"spend": D(2), "currency": "USD"}
    write_result(
        path,
        {
            "events": [
                event("e1", value=D("100"), currency="USD"),
                event("e2", source_offset=1, value=D("30"), currency="EUR"),
                event("e3", source_offset=2, event_type="lead"),
                event("e4", source_offset=3, keys=[]),
                event("e5", source_offset=4, event_type="refund"),
                event("e1", source_offset=5),
                event("e4", source_offset=6, keys=[], event_source_id="server"),
            ],
            "impressions": [
                impression("i1", time=NOW - 2 * HOUR, campaign_id="a") | paid,
                click("i2", time=NOW - HOUR, campaign_id="b", keys=[UID2, DEVICE]),
                impression("i3", campaign_id="idle", keys=[]),
            ],
            "rejections": [rejection()],
            "tests": [trial()],
            "measurements": [measurement(), measurement(source_offset=1, metric_value=D(7))],
        },
    )
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()


def test_tables_and_views_are_all_there(empty: duckdb.DuckDBPyConnection) -> None:
    tables = rows(empty, "select table_name from duckdb_tables() order by table_oid")
    views = rows(empty, "select view_name from duckdb_views() where not internal order by view_oid")
    assert (tables, views) == ([(name,) for name in TABLES], [(name,) for name in VIEWS])


def test_every_table_view_and_column_is_commented(empty: duckdb.DuckDBPyConnection) -> None:
    sql = """select table_name, column_name from data_dictionary
        where meaning is null or table_meaning is null"""
    assert rows(empty, sql) == []
    described = rows(empty, "select distinct table_name from data_dictionary order by all")
    assert described == [(name,) for name in sorted(TABLES + VIEWS)]


def test_a_name_means_the_same_unless_said_otherwise(empty: duckdb.DuckDBPyConnection) -> None:
    sql = """select distinct meaning from data_dictionary
        where column_name = 'conversion_id' or (table_name, column_name) = ('journeys', 'value')"""
    assert len(rows(empty, sql)) == 2
    own = """select meaning from data_dictionary
        where (table_name, column_name) = ('touchpoint_stats', 'hour')"""
    assert rows(empty, own) == [("Hour of the record's time",)]


def test_no_keys_and_no_indexes(empty: duckdb.DuckDBPyConnection) -> None:
    sql = (
        "select count(*) from duckdb_constraints() union all select count(*) from duckdb_indexes()"
    )
    assert rows(empty, sql) == [(0,), (0,)]


def test_every_row_of_a_commit_carries_seq(empty: duckdb.DuckDBPyConnection) -> None:
    sql = "select distinct table_name from data_dictionary where column_name = 'seq'"
    assert {name for (name,) in rows(empty, sql)} & set(TABLES) == set(TABLES) - WITHOUT_SEQ


@pytest.mark.parametrize("view", VIEWS)
def test_view_answers(
    view: str, empty: duckdb.DuckDBPyConnection, filled: duckdb.DuckDBPyConnection
) -> None:
    assert (rows(empty, f"from {view}") == []) == (view != "data_dictionary")
    assert rows(filled, f"from {view}") != []


def test_of_a_measurement_the_row_that_arrived_last_counts(
    filled: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(filled, "select metric_value from latest_measurements") == [(D(7),)]
    assert rows(filled, "select count(*) from measurements") == [(2,)]


def test_conversions_show_the_latest_of_what_has_no_final_row(
    empty: duckdb.DuckDBPyConnection,
) -> None:
    for table, conversion, outcome, seq in [
        ("provisional", "settled", "unattributed", 1),
        ("provisional", "open", "unattributed", 1),
        ("provisional", "open", "attributed", 2),
        ("final", "settled", "attributed", 3),
        ("provisional", "at once", "unattributed", 1),
        ("final", "at once", "attributed", 1),
    ]:
        empty.execute(
            f"insert into conversions_{table} by name "
            "select ? as conversion_id, ? as outcome, ? as seq",
            [conversion, outcome, seq],
        )
        empty.execute(
            f"insert into credits_{table} by name select ? as conversion_id, ? as seq, 1 as linear",
            [conversion, seq],
        )
    found = rows(empty, "select conversion_id, outcome, is_final, seq from conversions order by 1")
    assert found == [
        ("at once", "attributed", True, 1),
        ("open", "attributed", False, 2),
        ("settled", "attributed", True, 3),
    ]
    found = rows(empty, "select conversion_id, is_final, seq from credits order by 1")
    assert found == [("at once", True, 1), ("open", False, 2), ("settled", True, 3)]


def test_deltas_are_added_up(empty: duckdb.DuckDBPyConnection) -> None:
    empty.execute("""insert into match_deltas by name
        select 'adv' as advertiser_id, n.* replace (n.received as received) from (values
          (5, 1, 0, map {'uid2': 1::bigint, 'maid': 1}, 0.5::double),
          (0, 0, 2, map {'uid2': 2::bigint}, 0.25),
          (0, 0, 0, null, 0)) as n(received, test, attributed, carries, quality_sum)""")
    empty.execute("""update match_deltas set rejected = 0, duplicate = 0, observed = 0,
        unattributed = 0""")
    sql = "select received, test, accepted, in_flight, carries, quality_sum from match_stats"
    assert rows(empty, sql) == [(5, 1, 2, 2, {"maid": 1, "uid2": 3}, 0.75)]
    assert rows(empty, "select received, in_flight from conservation") == [(5, 2)]


def test_match_stats(filled: duckdb.DuckDBPyConnection) -> None:
    sql = """select event_type, received, accepted, duplicate, rejected, test, observed, attributed,
        unattributed, in_flight, carries, matched_on from match_stats
        where event_source_id = 'src' order by event_type"""
    assert rows(filled, sql) == [
        ("lead", 1, 1, 0, 0, 0, 0, 1, 0, 0, {"uid2": 1}, {"uid2": 1}),
        ("purchase", 6, 3, 1, 1, 1, 0, 2, 1, 0, {"uid2": 2}, {"uid2": 2}),
        ("refund", 1, 1, 0, 0, 0, 1, 0, 0, 0, {"uid2": 1}, {}),
    ]
    sql = "select received, in_flight from conservation where event_source_id = 'src'"
    assert rows(filled, sql) == [(8, 0)]


def test_attributed_conversions(filled: duckdb.DuckDBPyConnection) -> None:
    sql = """select model, impression_id, share, attributed_value, currency
        from attributed_conversions join conversions using (conversion_id)
        where event_id = 'e1' and model in ('last_touch', 'linear') order by all"""
    sql = sql.replace("currency", "attributed_conversions.currency")
    assert rows(filled, sql) == [
        ("last_touch", "i2", D("1"), D("100"), "USD"),
        ("linear", "i1", D("0.5"), D("50"), "USD"),
        ("linear", "i2", D("0.5"), D("50"), "USD"),
    ]


def test_campaign_performance(filled: duckdb.DuckDBPyConnection) -> None:
    sql = """select campaign_id, currency, impressions, clicks, conversions, valued_conversions,
        value, spend, roas, cpa from campaign_performance where model = 'linear' order by all"""
    one_and_a_half, half = D("1.5"), D("0.5")
    assert rows(filled, sql) == [
        ("a", "EUR", 1, 0, one_and_a_half, half, D(15), D(0), None, None),
        ("a", "USD", 1, 0, one_and_a_half, half, D(50), D(2), 25.0, pytest.approx(4 / 3)),
        ("b", "EUR", 0, 1, one_and_a_half, half, D(15), D(0), None, None),
        ("b", "USD", 0, 1, one_and_a_half, half, D(50), D(0), None, None),
        ("idle", None, 1, 0, D(0), D(0), D(0), D(0), None, None),
    ]


def test_rates_and_reasons(filled: duckdb.DuckDBPyConnection) -> None:
    sql = """select event_type, conversions, attributed, match_rate, click_through
        from match_rates where event_source_id = 'src' order by event_type"""
    assert rows(filled, sql) == [
        ("lead", 1, 1, 1.0, 1),
        ("purchase", 3, 2, pytest.approx(2 / 3), 2),
        ("refund", 1, 0, None, 0),
    ]
    sql = """select kind, conversions, carried, matched, match_rate from identifier_rates
        where event_source_id = 'src' and event_type = 'purchase'"""
    assert rows(filled, sql) == [("uid2", 3, 2, 2, 1.0)]
    sql = """select event_type, reason, conversions, share from unmatched_reasons
        where event_source_id = 'src'"""
    assert rows(filled, sql) == [("purchase", "no_identifier", 1, 1.0)]


def test_journeys(filled: duckdb.DuckDBPyConnection) -> None:
    sql = """select event_id, path_length, campaigns, path[1].type, first_touch_time,
        seconds_to_convert from journeys where event_id = 'e2'"""
    first = datetime(2026, 5, 10, 22, tzinfo=UTC)
    assert rows(filled, sql) == [("e2", 2, ["a", "b"], "impression", first, 3600.0)]


def test_rejected_events_leave_impressions_out(filled: duckdb.DuckDBPyConnection) -> None:
    sql = "select event_id, code, source_offset from rejected_events"
    assert rows(filled, sql) == [("bad", "INVALID_EVENT_TIME", 7)]


def test_schema_file_is_commented_without_apostrophe_faults(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "r.duckdb") as connection:
        CREATE(connection)
    with duckdb.connect(tmp_path / "r.duckdb", read_only=True) as connection:
        sql = """select meaning from data_dictionary
            where (table_name, column_name) = ('credits', 'event_source_id')
               or (table_name, column_name) = ('conversions', 'event_source_id')"""
        assert rows(connection, sql) == [
            ("The advertiser's pixel, app or feed that sent the event",)
        ]
