"""Checks the envelope of a log-event request: valid, or refused with all of its events.

Events are not examined, except for their times if the envelope has no `received_at`.
"""

from dataclasses import asdict
from typing import Annotated, Any, Final

from pydantic import Field

from attribution.contract.check import FieldFault, check
from attribution.contract.shapes import Count, Id, Shape, Time
from attribution.contract.times import parse_time
from attribution.contract.verdicts import Envelope, Problem, Refusal
from attribution.vocabulary import Code

MAX_EVENTS: Final = 10_000
"""The most events of one call; the log-event guide and AdCP have the same limit."""

SUPPORTED_MAJOR: Final = 3

IDEMPOTENCY_KEY: Final = r"^[A-Za-z0-9_.:-]{16,255}$"


class EnvelopeModel(Shape):
    """The frame as it is on the wire."""

    advertiser_id: Id
    event_source_id: Id
    received_at: Time | None = None
    events: Annotated[list[Any], Field(min_length=1, max_length=MAX_EVENTS)]
    test_event_code: Id | None = None
    idempotency_key: Annotated[str, Field(pattern=IDEMPOTENCY_KEY)] | None = None
    adcp_version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")] | None = None
    adcp_major_version: Annotated[Count, Field(ge=1, le=99)] | None = None


def judge_envelope(document: dict[str, Any]) -> Envelope | Refusal:
    """Judge the fields of an envelope; the first fault in the order of `EnvelopeModel` counts."""
    checked = check(EnvelopeModel, document)
    if isinstance(checked, FieldFault):
        return _refuse(document, checked.problem, checked.fields)
    sound = checked.model
    unsupported = _find_unsupported_version(sound)
    if unsupported:
        return _refuse(document, unsupported, frozenset())
    return Envelope(
        advertiser_id=sound.advertiser_id,
        event_source_id=sound.event_source_id,
        received_at=sound.received_at and sound.received_at.microseconds,
        test_event_code=sound.test_event_code,
        events=sound.events,
        latest_event_time=find_latest(sound.events) if sound.received_at is None else None,
    )


def _find_unsupported_version(sound: EnvelopeModel) -> Problem | None:
    if sound.adcp_version and sound.adcp_version.partition(".")[0] != str(SUPPORTED_MAJOR):
        return _UNSUPPORTED_VERSION
    if sound.adcp_major_version not in (None, SUPPORTED_MAJOR):
        return _UNSUPPORTED_MAJOR
    return None


def _refuse(document: dict[str, Any], problem: Problem, faulty: frozenset[str]) -> Refusal:
    events = document.get("events")
    valid = {name: document.get(name) for name in _KEPT if name not in faulty}
    received_at = parse_time(document.get("received_at"))
    return Refusal(
        **asdict(problem),
        advertiser_id=valid.get("advertiser_id"),
        event_source_id=valid.get("event_source_id"),
        received_at=received_at and received_at.microseconds,
        test_event_code=valid.get("test_event_code"),
        events=len(events) if isinstance(events, list) else 1,
        latest_event_time=find_latest(events) if received_at is None else None,
    )


def find_latest(events: object) -> int | None:
    """Return the latest valid event time of an envelope's events, even of invalid events."""
    given = events if isinstance(events, list) else []
    times = (parse_time(event.get("event_time")) for event in given if isinstance(event, dict))
    return max((time.microseconds for time in times if time), default=None)


_KEPT: Final = ("advertiser_id", "event_source_id", "test_event_code")
_UNSUPPORTED_VERSION: Final = Problem(
    Code.VERSION_UNSUPPORTED,
    "adcp_version",
    f"adcp_version must be a release of AdCP {SUPPORTED_MAJOR}",
)
_UNSUPPORTED_MAJOR: Final = Problem(
    Code.VERSION_UNSUPPORTED,
    "adcp_major_version",
    f"adcp_major_version must be {SUPPORTED_MAJOR}",
)
