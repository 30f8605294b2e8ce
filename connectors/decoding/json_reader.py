"""Reads lines of JSON to columns, with DuckDB's JSON reader.

All leaves are read as text, whatever their JSON type; `proofs` shows for which rows that makes no
difference. Leaves of type JSON keep their quotes, which distinguish strings from numbers.
"""

from collections.abc import Collection
from typing import Final

import duckdb
import pyarrow as pa

from connectors.duckdb_query import query

IDENTITY: Final = (
    '{"uids":[{"type":"VARCHAR","value":"VARCHAR"}],"hashed_email":"VARCHAR",'
    '"hashed_phone":"VARCHAR","click_id":"VARCHAR","click_id_type":"VARCHAR",'
    '"client_ip":"VARCHAR","client_user_agent":"VARCHAR"}'
)
"""The schema of an identity block."""

IMPRESSION_IDS: Final = (
    "advertiser_id",
    "impression_id",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
)


def impression(quoted: Collection[str]) -> str:
    """Return the schema of an impression or click; `quoted` ids keep their quotes."""
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
"""The schema of a line of the events stream."""

_BAD_LINE: Final = (
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    UnicodeDecodeError,  # the message quotes the line, which need not be UTF-8
    OSError,  # from the second vector (2,048 rows) on, Arrow's reader reports what DuckDB refused
)


def parse(lines: pa.Array, schema: str) -> pa.RecordBatch:
    """Read the leaves of `schema` from lines; those of a null or invalid line are all null."""
    table = pa.record_batch({"line": lines})
    try:
        return query(f"select unnest(from_json(line, '{schema}')) from input", table)
    except _BAD_LINE:
        # One faulty line (invalid UTF-8, say) fails the whole chunk, so check each line first.
        careful = f"case when json_valid(line) then from_json(line, '{schema}') end"
        return query(f"select unnest({careful}) from input", table)
