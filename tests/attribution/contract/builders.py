"""Sound records to spoil one field of, read through the reader that the job uses."""

import json
from collections.abc import Mapping
from typing import Final

from attribution.contract.document import JsonObject, read_document
from attribution.contract.event import judge_event
from attribution.contract.verdicts import EventRecord, ImpressionRecord, Rejection
from attribution.policy import Policy

POLICY: Final = Policy()
LENIENT: Final = Policy(missing_currency="warn")

ABSENT: Final = object()
"""Stands for a key that is not there."""

EMAIL: Final = "0f" * 32
PHONE: Final = "a1" * 32
TIME: Final = "2026-05-01T08:00:00Z"
MICROSECONDS: Final = 1_777_622_400_000_000


def document(fields: Mapping[str, object]) -> JsonObject:
    """Read what a producer would have sent; keys that are ABSENT are left out."""
    sent = {key: value for key, value in fields.items() if value is not ABSENT}
    read = read_document(json.dumps(sent).encode())
    assert isinstance(read, JsonObject)
    return read


def event(**changes: object) -> JsonObject:
    sound: dict[str, object] = {
        "event_id": "e-1",
        "event_type": "lead",
        "event_time": TIME,
        "user_match": {"hashed_email": EMAIL},
    }
    return document(sound | changes)


def judge(policy: Policy = POLICY, /, **changes: object) -> EventRecord | Rejection:
    return judge_event(event(**changes), policy=policy)


def accept(policy: Policy = POLICY, /, **changes: object) -> EventRecord:
    record = judge(policy, **changes)
    assert isinstance(record, EventRecord), record
    return record


def reject(policy: Policy = POLICY, /, **changes: object) -> tuple[str, str | None]:
    """Return the code and the field an event is refused with."""
    rejection = judge(policy, **changes)
    assert isinstance(rejection, Rejection), rejection
    assert rejection.message
    return rejection.code.value, rejection.field


def repaired(record: EventRecord | ImpressionRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the warnings and the dropped fields of a record."""
    return tuple(warning.value for warning in record.warnings), record.dropped


def impression(**changes: object) -> JsonObject:
    sound: dict[str, object] = {
        "advertiser_id": "adv-7",
        "impression_id": "imp-1",
        "type": "impression",
        "time": TIME,
        "campaign_id": "spring",
        "user_match": {"hashed_email": EMAIL},
    }
    return document(sound | changes)


def envelope(**changes: object) -> JsonObject:
    sound: dict[str, object] = {
        "advertiser_id": "adv-7",
        "event_source_id": "shop",
        "received_at": TIME,
        "events": [{"event_id": "e-1"}],
    }
    return document(sound | changes)
