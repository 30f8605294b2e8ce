"""Accepts (perhaps repairs) or refuses one event of an envelope, independently of the others.

The result depends on the event's fields and the policy, not on source, arrival or position.
"""

from dataclasses import asdict
from typing import Annotated, Any, Final

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from attribution.contract.check import FieldFault, Repair, check, without
from attribution.contract.custom_data import CustomData, Payload, hoist, read_payload
from attribution.contract.halves import mend_halves
from attribution.contract.shapes import Id, Shape, Time, one_of, spelled
from attribution.contract.urls import ParsedUrl, parse_url
from attribution.contract.user_match import UserMatch, find_raw_pii, identify
from attribution.contract.verdicts import EventRecord, Problem, Rejection, in_order
from attribution.policy import Policy
from attribution.vocabulary import (
    ACTION_SOURCES,
    EVENT_TYPES,
    NONSTANDARD_EVENT_TYPES,
    Code,
    Warn,
)

_SURFACES: Final = sorted({*ACTION_SOURCES, "owned_property"})


def _to_url(given: object) -> ParsedUrl:
    url = parse_url(given)
    if url is None:
        kind = "url_format"
        raise PydanticCustomError(kind, "not an absolute URL")
    return url


EventType = Annotated[str, one_of(EVENT_TYPES), spelled(EVENT_TYPES)]
ActionSource = Annotated[str, one_of(ACTION_SOURCES), spelled(ACTION_SOURCES)]
Url = Annotated[ParsedUrl, PlainValidator(_to_url, json_schema_input_type=str)]


class Surface(Shape):
    """Where an event happened, finer than `action_source`; checked, not stored."""

    category: Annotated[str, one_of(_SURFACES), spelled(_SURFACES)]
    property_type: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    namespace: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    property_id: Id | None = None


class Event(Shape):
    """An event as it is on the wire."""

    event_id: Id
    event_type: EventType
    event_time: Time
    custom_event_name: Annotated[str, Field(max_length=256)] | None = None
    action_source: ActionSource | None = None
    event_source_url: Url | None = None
    surface: Surface | None = None
    user_match: UserMatch | None = None
    custom_data: CustomData | None = None


def judge_event(event: object, *, policy: Policy) -> EventRecord | Rejection:
    """Judge one element of an envelope's `events`, as `read_document` read it.

    Shape is checked before cross-field rules, and fields in the order of `Event`; the first fault
    determines the code. If an event is not an object, the fault names its position, not a field.
    """
    if not isinstance(event, dict):
        return _NOT_AN_OBJECT
    readable = mend_halves(event, _NO_HALVES_IN)
    given = hoist(readable)
    pii = find_raw_pii(given.get("user_match"))
    checked = check(Event, without(given, [repair.path for repair in pii]) if pii else given)
    if isinstance(checked, FieldFault):
        return _reject(event, checked.problem, checked.fields)
    sound = checked.model
    problem = _NAME_REQUIRED if _lacks_name(sound) else None
    payload = problem or read_payload(
        sound.custom_data,
        checked.given.get("custom_data"),
        event_type=sound.event_type,
        policy=policy,
    )
    if isinstance(payload, Problem):
        return _reject(event, payload, frozenset())
    repairs = (*pii, *checked.repairs, *payload.repairs)
    found = {
        Warn.MISPLACED_FIELD: given is not readable,
        Warn.INVALID_UNICODE: readable is not event,
    }
    return _record(sound, payload, repairs, [warning for warning, holds in found.items() if holds])


def _record(
    event: Event, payload: Payload, repairs: tuple[Repair, ...], found: list[Warn]
) -> EventRecord:
    identity = identify(event.user_match, repairs)
    url = event.event_source_url
    warnings = (
        *found,
        *(repair.warning for repair in repairs),
        *identity.warnings,
        *payload.warnings,
        *_event_warnings(event),
    )
    return EventRecord(
        event_id=event.event_id,
        event_type=event.event_type,
        custom_event_name=event.custom_event_name,
        event_time=event.event_time.microseconds,
        action_source=event.action_source,
        event_source_url=url and url.text,
        event_source_host=url and url.host,
        value=payload.value,
        currency=payload.currency,
        order_id=payload.order_id,
        num_items=payload.num_items,
        content_ids=payload.content_ids,
        custom_data=payload.text,
        carries=identity.carries,
        match_keys=identity.match_keys,
        warnings=in_order(warnings),
        dropped=tuple(repair.field for repair in repairs),
    )


def _event_warnings(event: Event) -> list[Warn]:
    warnings = []
    if event.event_type in NONSTANDARD_EVENT_TYPES:
        warnings.append(Warn.NONSTANDARD_EVENT_TYPE)
    if event.event_time.clamped:
        warnings.append(Warn.EVENT_TIME_CLAMPED)
    if event.action_source == "website" and event.event_source_url is None:
        warnings.append(Warn.MISSING_EVENT_SOURCE_URL)
    if event.event_source_url is not None and event.event_source_url.is_odd:
        warnings.append(Warn.ODD_EVENT_SOURCE_URL)
    return warnings


def _lacks_name(event: Event) -> bool:
    return event.event_type == "custom" and not (event.custom_event_name or "").strip()


def _reject(event: dict[str, Any], problem: Problem, faulty: frozenset[str]) -> Rejection:
    return Rejection(
        **asdict(problem),
        record_id=None if "event_id" in faulty else event["event_id"],
        event_type=None if "event_type" in faulty else event["event_type"],
    )


_NO_HALVES_IN: Final = frozenset({"event_id", "user_match"})
"""Fields that identify the event and its user: never mended."""
_NOT_AN_OBJECT: Final = Rejection(
    code=Code.INVALID_REQUEST, message="an event must be an object", field=None
)
_NAME_REQUIRED: Final = Problem(
    Code.MISSING_CUSTOM_EVENT_NAME,
    "custom_event_name",
    "custom_event_name must be there, and not blank, when event_type is custom",
)
