"""Reads lines of JSON to columns, with DuckDB's JSON reader.

A leaf of type VARCHAR is text whatever its JSON type: enough where valid values are only strings
that no number or literal is like. The others are of type JSON: strings keep their quotes, which
distinguish them, and contain a backslash only where JSON needs one, so equal strings are equal.
"""

from typing import Final

import duckdb
import pyarrow as pa

from connectors.duckdb_query import query

IDENTITY: Final = (
    '{"uids":[{"type":"VARCHAR","value":"JSON"}],"hashed_email":"JSON","hashed_phone":"JSON",'
    '"click_id":"JSON","click_id_type":"JSON","client_ip":"JSON","client_user_agent":"JSON"}'
)
"""The schema of an identity block."""

IMPRESSION: Final = (
    '{"advertiser_id":"JSON","impression_id":"JSON","type":"VARCHAR","time":"VARCHAR",'
    '"received_at":"VARCHAR","campaign_id":"JSON","media_buy_id":"JSON","package_id":"JSON",'
    f'"creative_id":"JSON","price":"JSON","currency":"VARCHAR","user_match":{IDENTITY}}}'
)
"""The schema of an impression or click."""

_EVENT: Final = (
    '{"event_id":"JSON","event_type":"VARCHAR","event_time":"VARCHAR",'
    '"custom_event_name":"JSON","action_source":"VARCHAR","event_source_url":"VARCHAR",'
    '"user_match":"JSON","custom_data":"JSON","value":"JSON","currency":"JSON",'
    '"content_ids":"JSON","surface":"JSON"}'
)
ENVELOPE: Final = (
    '{"advertiser_id":"JSON","event_source_id":"JSON","received_at":"VARCHAR",'
    '"test_event_code":"JSON","idempotency_key":"JSON","adcp_version":"JSON",'
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
