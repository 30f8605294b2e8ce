"""Rows of the events that the contract judged one by one: accepted, refused, and tests."""

from typing import Any

from attribution.columnar.frames import START
from attribution.contract.verdicts import Envelope, EventRecord, Rejection
from attribution.decoded import EVENTS
from attribution.vocabulary import KIND_CODES, WARNING_BITS


def envelope_row(line: int, envelope: Envelope) -> dict[str, Any]:
    """Return the row of an envelope that was not refused whole."""
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
        "carries": _mask_of(record.carries),
        "warnings": sum(WARNING_BITS[warning] for warning in record.warnings),
        "dropped": list(record.dropped) or None,
    }


def refused_row(line: int, index: int, envelope: Envelope, verdict: Rejection) -> dict[str, Any]:
    """Return the row of an event that was refused."""
    return {
        "line": line,
        "source_index": index,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "event_type": verdict.event_type,
        "record_id": verdict.record_id,
        "code": verdict.code,
        "message": verdict.message,
        "field": verdict.field,
        "events": 1,
    }


def _mask_of(kinds: frozenset[str]) -> int:
    """Return the bit mask of kinds of identifier."""
    return sum(1 << KIND_CODES[kind] for kind in kinds)
