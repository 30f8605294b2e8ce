"""Lines of JSON to columns, by DuckDB's JSON reader.

Leaves come as text, whatever they were in the JSON; `attribution.texts` proves where that cannot
matter. Leaves of type JSON keep their quotes, so that text and number can be told apart.
"""

import threading
from collections.abc import Collection
from functools import cache
from typing import Any, Final

import duckdb
import pyarrow as pa

IDENTITY: Final = (
    '{"uids":[{"type":"VARCHAR","value":"VARCHAR"}],"hashed_email":"VARCHAR",'
    '"hashed_phone":"VARCHAR","click_id":"VARCHAR","click_id_type":"VARCHAR",'
    '"client_ip":"VARCHAR","client_user_agent":"VARCHAR"}'
)
"""What is read of an identity block."""

IMPRESSION_IDS: Final = (
    "advertiser_id",
    "impression_id",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
)


def impression(quoted: Collection[str]) -> str:
    """Spell out what is read of an impression or click; `quoted` ids keep their quotes."""
    ids = (f'"{name}":"{"JSON" if name in quoted else "VARCHAR"}"' for name in IMPRESSION_IDS)
    return (
        f'{{{",".join(ids)},"type":"VARCHAR","time":"VARCHAR","received_at":"VARCHAR",'
        f'"price":"JSON","currency":"VARCHAR","user_match":{IDENTITY}}}'
    )


_EVENT: Final = (
    '{"event_id":"JSON","event_type":"VARCHAR","event_time":"VARCHAR",'
    '"custom_event_name":"VARCHAR","action_source":"VARCHAR","event_source_url":"VARCHAR",'
    '"user_match":"JSON","custom_data":"JSON","value":"JSON","currency":"JSON",'
    '"content_ids":"JSON","surface":"JSON"}'
)
ENVELOPE: Final = (
    '{"advertiser_id":"JSON","event_source_id":"JSON","received_at":"VARCHAR",'
    '"test_event_code":"JSON","idempotency_key":"VARCHAR","adcp_version":"JSON",'
    f'"adcp_major_version":"JSON","events":[{_EVENT}]}}'
)
"""What is read of a line of the events stream."""

_BAD_LINE: Final = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    UnicodeDecodeError,  # the message quotes the line, which need not be UTF-8
    OSError,  # from the second vector (2,048 rows) on, Arrow's reader reports what DuckDB refused
)


_ALL_ROWS: Final = 1 << 30

_THREAD: Final = threading.local()


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Give the process's in-memory engine; one thread per query, for frames are small."""
    return duckdb.connect(config={"threads": 1})


def _connection() -> duckdb.DuckDBPyConnection:
    """Give the connection of this thread."""
    if not hasattr(_THREAD, "connection"):
        _THREAD.connection = _engine().cursor()
    connection: duckdb.DuckDBPyConnection = _THREAD.connection
    return connection


def _stream(rows: pa.Table | pa.RecordBatch | None) -> Any:  # noqa: ANN401  a capsule, opaque
    """Give rows as a stream: a table would be scanned as a dataset, a millisecond each time."""
    return None if rows is None else rows.__arrow_c_stream__()


def query(
    sql: str,
    rows: pa.Table | pa.RecordBatch | None = None,
    others: pa.Table | pa.RecordBatch | None = None,
) -> pa.RecordBatch:
    """Run a query over tables named `input` and `others`, each of which it may read once.

    Gives the rows as one batch, in the order of the input.
    """
    # DuckDB finds these by their names, in half the time that it takes to register a table.
    input = _stream(rows)  # noqa: A001, F841
    others = _stream(others)
    # One batch for all rows: putting many together would copy them once more.
    reader = _connection().execute(sql).to_arrow_reader(_ALL_ROWS)
    batches = list(reader)
    assert len(batches) <= 1, "rows came in several batches"
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=reader.schema)


def parse(lines: pa.Array, schema: str) -> pa.RecordBatch:
    """Read the leaves of `schema` from lines of text; one that is null, or no JSON, is all null."""
    table = pa.record_batch({"line": lines})
    try:
        return query(f"select unnest(from_json(line, '{schema}')) from input", table)
    except _BAD_LINE:
        # One faulty line (of UTF-8, say) fails the whole chunk: ask for each line first.
        careful = f"case when json_valid(line) then from_json(line, '{schema}') end"
        return query(f"select unnest({careful}) from input", table)
