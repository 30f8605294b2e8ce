"""Rows of documents, events and impressions that the contract has judged."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from attribution.columnar.frames import START
from attribution.contract.verdicts import Envelope, EventRecord, ImpressionRejection, Rejection
from attribution.decoded import EVENTS, Keys
from attribution.vocabulary import KIND_CODES, WARNING_BITS, Code
from connectors.duckdb_query import query


def unreadable(line: int, message: str) -> dict[str, Any]:
    """Return the refusal of a document that cannot be read; it counts as one event."""
    return {"line": line, "code": Code.INVALID_REQUEST, "message": message, "events": 1}


def envelope_row(line: int, envelope: Envelope) -> dict[str, Any]:
    """Return the row of an envelope."""
    return {
        "line": line,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "test_event_code": envelope.test_event_code,
        "events": len(envelope.events),
    }


def accepted_row(line: int, index: int, envelope: Envelope, record: EventRecord) -> dict[str, Any]:
    """Return the row of an event that was accepted."""
    return {field.name: getattr(record, field.name, None) for field in EVENTS} | {
        "line": line,
        "source_index": index,
        "received_at": START,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "carries": sum(1 << KIND_CODES[kind] for kind in record.carries),
        "warnings": sum(WARNING_BITS[warning] for warning in record.warnings),
        "dropped": list(record.dropped) or None,
    }


def refused_row(line: int, index: int, envelope: Envelope, verdict: Rejection) -> dict[str, Any]:
    """Return the refusal of an event."""
    return _refusal(line, verdict) | {
        "source_index": index,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "event_type": verdict.event_type,
    }


def refused_impression(line: int, verdict: ImpressionRejection) -> dict[str, Any]:
    """Return the refusal of an impression or click."""
    return _refusal(line, verdict) | {"advertiser_id": verdict.advertiser_id}


def _refusal(line: int, verdict: Rejection | ImpressionRejection) -> dict[str, Any]:
    return {
        "line": line,
        "record_id": verdict.record_id,
        "code": verdict.code,
        "message": verdict.message,
        "field": verdict.field,
        "events": 1,
    }


def in_columns(records: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as columns of a schema."""
    columns = [pa.array([record[field.name] for record in records], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def keys_in_columns(records: Iterable[Iterable[tuple[str, str]]]) -> Keys:
    """Return match keys in columns, as JSON text; the row is the record's number."""
    spelled = [(row, *key) for row, keys in enumerate(records) for key in sorted(keys)]
    kinds = np.array([KIND_CODES[kind] for _, kind, _ in spelled], dtype=np.uint8)
    values = pa.array([value for _, _, value in spelled], pa.string())
    if spelled:
        values = query(_AS_JSON, pa.table({"kind": kinds, "value": values}))["key"]
    return Keys(np.array([row for row, _, _ in spelled], dtype=np.int64), kinds, values)


_AS_JSON: Final = f"""
select case kind
  when {KIND_CODES["click"]} then
    to_json(replace(replace(split_part(value, ':', 1), '%3A', ':'), '%25', '%'))::varchar
    || to_json(value[instr(value, ':') + 1:])::varchar
  when {KIND_CODES["ip_ua"]} then
    to_json(split_part(value, ' ', 1))::varchar || to_json(value[instr(value, ' ') + 1:])::varchar
  else to_json(value)::varchar end as key
from input
"""
"""Converts keys of the contract, in which a colon ends the type, and a blank the address."""
