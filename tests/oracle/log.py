"""Judges each record of a folder by the contract, and sorts the records by verdict.

It knows the contract and the registry; nothing of attribution.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from attribution.contract.document import JsonObject, Unreadable
from attribution.contract.envelope import judge_envelope
from attribution.contract.event import judge_event
from attribution.contract.impression import judge_impression
from attribution.contract.verdicts import (
    Envelope,
    EventRecord,
    ImpressionRecord,
    Refusal,
    Rejection,
)
from attribution.policy import Policy
from attribution.registry import Registry, judge_source
from attribution.vocabulary import Code, Warn

from .arrivals import Arrival, Noted, arrivals
from .semantics import Event, Impression

UNKNOWN_SOURCE: Final = "event_source_id is not registered for this advertiser"
FUTURE_GRACE: Final = 24 * 3_600_000_000
"""An event dated further beyond its arrival than this gets a warning."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who sent an event, as far as that could be read."""

    advertiser_id: str | None = None
    event_source_id: str | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused record, or a document refused whole, which stands for `events` events."""

    arrival: Arrival
    index: int | None
    origin: Origin
    record_id: str | None
    code: Code
    message: str
    field: str | None
    events: int = 1


@dataclass(frozen=True, slots=True)
class Tested:
    """A test event, or a refused envelope of test events; `code` is what refused it."""

    arrival: Arrival
    origin: Origin
    event_id: str | None
    test_event_code: str
    code: Code | None
    carries: frozenset[str] | None
    warnings: tuple[str, ...] | None = None
    events: int = 1


@dataclass(slots=True)
class DecodedLog:
    """Every record of a folder, by its verdict."""

    events: list[Event] = field(default_factory=list)
    impressions: list[Impression] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    tested: list[Tested] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Judge:
    """What events are judged by."""

    registry: Registry
    policy: Policy
    noted: Noted


def read_log(folder: Path, policy: Policy, registry: Registry, noted: Noted) -> DecodedLog:
    """Decode `events*` and `impressions*` of a folder, each line by the contract."""
    judge = Judge(registry, policy, noted)
    log = DecodedLog()
    for arrival, document in arrivals(folder, "events", noted, skew=policy.clock_skew):
        _decode_events(log, arrival, document, judge)
    for arrival, document in arrivals(folder, "impressions", noted, skew=policy.clock_skew):
        _decode_impression(log, arrival, document, policy=policy)
    return log


def read_registry(folder: Path, *, allow_unregistered: bool) -> Registry:
    """Read the registry of a folder."""
    path = folder / "event_sources.json"
    documents = [] if allow_unregistered and not path.exists() else json.loads(path.read_bytes())
    return Registry.from_documents(documents, allow_unregistered=allow_unregistered)


def _decode_events(
    log: DecodedLog, arrival: Arrival, document: JsonObject | Unreadable, judge: Judge
) -> None:
    if isinstance(document, Unreadable):
        log.refused.append(_unreadable(arrival, document))
        return
    envelope = judge_envelope(document)
    if isinstance(envelope, Envelope):
        _decode_envelope(log, arrival, envelope, judge)
    else:
        _refuse_envelope(log, arrival, envelope)


def _unreadable(arrival: Arrival, document: Unreadable) -> Refused:
    return Refused(
        arrival, None, Origin(), None, Code.INVALID_REQUEST, document.message, field=None
    )


def _refuse_envelope(log: DecodedLog, arrival: Arrival, refusal: Refusal) -> None:
    origin = Origin(refusal.advertiser_id, refusal.event_source_id)
    if refusal.test_event_code is not None:
        log.tested.append(
            Tested(
                arrival,
                origin,
                None,
                refusal.test_event_code,
                refusal.code,
                None,
                events=refusal.events,
            )
        )
        return
    log.refused.append(
        Refused(
            arrival,
            None,
            origin,
            None,
            refusal.code,
            refusal.message,
            refusal.field,
            events=refusal.events,
        )
    )


def _decode_envelope(log: DecodedLog, arrival: Arrival, envelope: Envelope, judge: Judge) -> None:
    source = judge.registry.lookup(
        envelope.advertiser_id, envelope.event_source_id, at=judge.noted.judged_at(arrival)
    )
    if source is None:
        _refuse_envelope(log, arrival, _unknown_source(envelope))
        return
    test_event_code = envelope.test_event_code or source.test_event_code
    for index, given in enumerate(envelope.events):
        verdict = judge_event(given, policy=judge.policy)
        if isinstance(verdict, EventRecord):
            verdict = judge_source(source, verdict)
        origin = Origin(envelope.advertiser_id, envelope.event_source_id, verdict.event_type)
        if test_event_code is not None:
            log.tested.append(_tested(arrival, origin, verdict, code=test_event_code))
        elif isinstance(verdict, EventRecord):
            log.events.append(_event(arrival, index, origin, verdict))
        else:
            log.refused.append(_refused(arrival, index, origin, verdict))


def _unknown_source(envelope: Envelope) -> Refusal:
    return Refusal(
        code=Code.REFERENCE_NOT_FOUND,
        message=UNKNOWN_SOURCE,
        field="event_source_id",
        advertiser_id=envelope.advertiser_id,
        event_source_id=envelope.event_source_id,
        received_at=envelope.received_at,
        test_event_code=envelope.test_event_code,
        events=len(envelope.events),
        latest_event_time=envelope.latest_event_time,
    )


def _tested(
    arrival: Arrival, origin: Origin, verdict: EventRecord | Rejection, *, code: str
) -> Tested:
    if isinstance(verdict, EventRecord):
        warnings = tuple(map(str, verdict.warnings)) or None
        return Tested(arrival, origin, verdict.event_id, code, None, verdict.carries, warnings)
    return Tested(arrival, origin, verdict.record_id, code, verdict.code, None)


def _refused(arrival: Arrival, index: int, origin: Origin, verdict: Rejection) -> Refused:
    return Refused(
        arrival, index, origin, verdict.record_id, verdict.code, verdict.message, verdict.field
    )


def _event(arrival: Arrival, index: int, origin: Origin, record: EventRecord) -> Event:
    assert arrival.received_at is not None
    assert origin.advertiser_id is not None
    assert origin.event_source_id is not None
    return Event(
        partition=arrival.partition,
        offset=arrival.offset,
        index=index,
        received_at=arrival.received_at,
        advertiser_id=origin.advertiser_id,
        event_source_id=origin.event_source_id,
        record=_with_arrival_warnings(record, arrival),
    )


def _with_arrival_warnings(record: EventRecord, arrival: Arrival) -> EventRecord:
    assert arrival.received_at is not None
    warnings = list(record.warnings)
    if record.event_time > arrival.received_at + FUTURE_GRACE:
        warnings.append(Warn.EVENT_TIME_IN_FUTURE)
    if arrival.is_ahead:
        warnings.append(Warn.RECEIVED_AT_IN_FUTURE)
    return replace(record, warnings=tuple(warnings))


def _decode_impression(
    log: DecodedLog, arrival: Arrival, document: JsonObject | Unreadable, *, policy: Policy
) -> None:
    if isinstance(document, Unreadable):
        log.refused.append(_unreadable(arrival, document))
        return
    verdict = judge_impression(document, policy=policy)
    if isinstance(verdict, ImpressionRecord):
        assert arrival.received_at is not None
        log.impressions.append(
            Impression(arrival.partition, arrival.offset, arrival.received_at, verdict)
        )
        return
    log.refused.append(
        Refused(
            arrival,
            None,
            Origin(verdict.advertiser_id),
            verdict.record_id,
            verdict.code,
            verdict.message,
            verdict.field,
        )
    )
