"""Builds decoded logs for tests, and the result files that belong to them.

Instants are microseconds after START; records have sane defaults. The result file is what
`expected.sql` expects, so it serves tests of whatever reads results, not of the rules.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa

from attribution.policy import Policy
from connectors.database import schema
from connectors.database.credit_sums import sum_up
from connectors.verify.expected import compute_expected, create_log

Row: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]
"""A match key: kind and value."""

START: Final = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp()) * 1_000_000
SECOND: Final = 1_000_000
HOUR: Final = 3_600 * SECOND
DAY: Final = 24 * HOUR
NOW: Final = 40 * DAY
"""When events happen and arrive unless told otherwise: 2026-05-11."""

UID2: Final = ("uid2", "u1")
CLICK_ID: Final = ("click", "sc3clid:c1")
DEVICE: Final = ("ip_ua", "192.0.2.7 Browser/1")


def event(
    event_id: str = "e1",
    *,
    time: int = NOW,
    received_at: int | None = None,
    keys: Sequence[Key] = (UID2,),
    **fields: object,
) -> Row:
    """Build an accepted event: a purchase of user u1 that arrives when it happens."""
    row: Row = {
        "source_partition": "events.ndjson",
        "source_offset": 0,
        "source_index": 0,
        "received_at": START + (time if received_at is None else received_at),
        "advertiser_id": "adv",
        "event_source_id": "src",
        "event_type": "purchase",
        "event_id": event_id,
        "event_time": START + time,
        "carries": sorted({kind for kind, _ in keys}),
        "match_keys": _keys(keys),
        "warnings": [],
        "dropped": [],
    }
    return row | fields


def impression(
    impression_id: str = "i1",
    *,
    time: int = NOW - HOUR,
    received_at: int = 0,
    keys: Sequence[Key] = (UID2,),
    **fields: object,
) -> Row:
    """Build an accepted impression shown to user u1; it arrives long before any event."""
    row: Row = {
        "source_partition": "impressions.ndjson",
        "source_offset": 0,
        "received_at": START + received_at,
        "advertiser_id": "adv",
        "impression_id": impression_id,
        "type": "impression",
        "time": START + time,
        "campaign_id": "cmp",
        "match_keys": _keys(keys),
    }
    return row | fields


def click(impression_id: str = "i1", **fields: Any) -> Row:  # noqa: ANN401  any column
    """Build a click on an impression."""
    return impression(impression_id, **({"type": "click"} | fields))


def rejection(record_id: str = "bad", **fields: object) -> Row:
    """Build the refusal of an event."""
    row: Row = {
        "stream": "events",
        "source_partition": "events.ndjson",
        "source_offset": 7,
        "source_index": 1,
        "advertiser_id": "adv",
        "event_source_id": "src",
        "event_type": "purchase",
        "record_id": record_id,
        "received_at": START + NOW,
        "code": "INVALID_EVENT_TIME",
        "message": "event_time is no time",
        "field": "event_time",
        "events": 1,
    }
    return row | fields


def trial(event_id: str = "t1", **fields: object) -> Row:
    """Build a test event."""
    row: Row = {
        "advertiser_id": "adv",
        "event_source_id": "src",
        "event_type": "purchase",
        "event_id": event_id,
        "test_event_code": "TEST1",
        "received_at": START + NOW,
        "match_quality": 0.9,
        "events": 1,
    }
    return row | fields


def measurement(**fields: object) -> Row:
    """Build an accepted measurement: the revenue of a campaign in a week."""
    row: Row = {
        "source_partition": "measurements.ndjson",
        "source_offset": 0,
        "source_index": 0,
        "received_at": START + NOW,
        "advertiser_id": "adv",
        "start_time": START,
        "end_time": START + 7 * DAY,
        "metric_id": "revenue",
        "metric_value": Decimal("100.5"),
        "unit": "currency",
        "currency": "EUR",
        "campaign_id": "cmp",
    }
    return row | fields


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Row]) -> None:
    """Append rows to a log table; columns that are left out are null."""
    if rows := list(rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        batch = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows])
        connection.register("batch", batch)
        connection.execute(f"insert into {table} by name from batch")
        connection.unregister("batch")


def write_log(connection: duckdb.DuckDBPyConnection, **tables: Iterable[Row]) -> None:
    """Fill the log tables, and count what was received as a decoder would."""
    for stream, rows in tables.items():
        insert(connection, f"log_{stream}", rows)
    connection.execute("""insert into log_received
      select advertiser_id, event_source_id, event_type,
        date_trunc('hour', make_timestamptz(received_at)), sum(events)
      from (
        select advertiser_id, event_source_id, event_type, received_at, 1 as events from log_events
        union all by name
        select advertiser_id, event_source_id, event_type, received_at, events from log_tests
        union all by name
        select advertiser_id, event_source_id, event_type, received_at, events
        from log_rejections where stream = 'events')
      group by all""")


def expected(policy: Policy | None = None, **tables: Iterable[Row]) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with the log (events, impressions, ...) and what it must make."""
    connection = duckdb.connect(config={"threads": 1})  # a handful of rows: threads only cost
    create_log(connection, policy or Policy())
    write_log(connection, **tables)
    compute_expected(connection)
    return connection


def write_result(
    path: Path,
    log: Mapping[str, Iterable[Row]],
    *,
    policy: Policy | None = None,
    folder: Path = Path("missing"),
) -> Path:
    """Write the result file that a log (events, impressions, ...) must make, as a replay would."""
    policy = policy or Policy()
    with duckdb.connect(path) as connection:
        schema.create(connection)
        inputs = json.dumps({"folder": str(folder), "allow_unregistered": False})
        connection.execute(
            "insert into runs values ('run', now(), '0', ?, ?, 16)",
            [policy.model_dump_json(), inputs],
        )
    with expected(policy, **log) as connection:
        connection.execute(f"attach '{path}' as result")
        for table in ("conversions_final", "credits_final", "duplicates", "rejections"):
            _copy(connection, f"expected_{table}", table)
        _copy(connection, "expected_test_events", "test_events")
        _copy(connection, "expected_measurements", "measurements")
        _copy(connection, "expected_match_stats", "match_deltas")
        _copy(connection, "expected_touchpoint_stats", "touchpoint_deltas")
    with duckdb.connect(path) as connection:
        sum_up(connection, until=1)
    return path


def _copy(connection: duckdb.DuckDBPyConnection, source: str, table: str) -> None:
    connection.execute(f"insert into result.{table} by name select *, 1 as seq from {source}")


def _keys(keys: Iterable[Key]) -> list[Row]:
    return [{"kind": kind, "value": value} for kind, value in keys]
