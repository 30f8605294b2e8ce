"""An event of IAB Tech Lab's ECAPI 1.0 as a call of log-event, with a report of what became of it.

ECAPI sends one event per call. Fields that have another name here are renamed; what has no place
here is left out and named in the report.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from attribution.vocabulary import EVENT_TYPES

EVENT_NAMES: Final = {
    "begin_checkout": "initiate_checkout",
    "viewed_item": "view_content",
    "view_item": "view_content",
    "generate_lead": "lead",
    "sign_up": "complete_registration",
    "install": "app_install",
}
"""Event types that have another name here."""

SOURCES: Final = {"physical_store": "in_store", "business_messaging": "chat"}
"""Values of `source` that have another name as `action_source`."""

UID_TYPES: Final = {
    "liveramp.com": "rampid",
    "id5-sync.com": "id5",
    "uidapi.com": "uid2",
    "euid.eu": "euid",
    "google.com": "pairid",
}
"""Types of universal ids by the domain that issues them."""

CARRIED: Final = ("gpp_string", "gpp_sid", "mmt_only")
"""Privacy signals, carried in `ext`."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ITEM: Final = {"id": "id", "quantity": "quantity", "price": "price", "brand": "brand"}


@dataclass(slots=True)
class MappingReport:
    """What became of the fields: their new places, and those that were left out."""

    mapped: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


class _Reader:
    """Moves fields of a document to their new places, and remembers which."""

    def __init__(self, given: Mapping[str, Any], path: str, report: MappingReport) -> None:
        self._given, self._path, self._report = given, path, report
        self._seen: set[str] = set()

    def move(self, key: str, place: str, into: dict[str, Any], *, to: str) -> None:
        """Move a field as it is, if it is there."""
        if (value := self.take(key, place)) is not None:
            into[to] = value

    def take(self, key: str, place: str) -> Any:  # noqa: ANN401  any JSON value
        """Return the value of a field that goes to `place`; None if it is not there."""
        self._seen.add(key)
        value = self._given.get(key)
        if value is not None:
            self._report.mapped[self._path + key] = place
        return value

    def nested(self, key: str) -> "_Reader":
        """Return a reader of an object inside; one of nothing if it is none."""
        self._seen.add(key)
        inner = self._given.get(key)
        if inner is not None and not isinstance(inner, dict):
            self._report.dropped.append(self._path + key)
        return _Reader(
            inner if isinstance(inner, dict) else {}, f"{self._path}{key}.", self._report
        )

    def finish(self) -> None:
        """Report the fields that were not read as dropped."""
        rest = self._given.keys() - self._seen
        self._report.dropped += [self._path + key for key in sorted(rest)]


def from_ecapi(document: Mapping[str, Any]) -> tuple[dict[str, Any], MappingReport]:
    """Return the call of log-event that says the same, and the report.

    Nothing is validated here: the contract judges the call.
    """
    report = MappingReport()
    top = _Reader(document, "", report)
    event: dict[str, Any] = {}
    data: dict[str, Any] = {}
    call: dict[str, Any] = {}
    top.move("data_set_id", "event_source_id", call, to="event_source_id")
    top.move("test_event_code", "test_event_code", call, to="test_event_code")
    top.move("id", "event_id", event, to="event_id")
    event |= _event_type(top)
    if (at := top.take("timestamp", "event_time")) is not None:
        event["event_time"] = _time(at)
    source = top.take("source", "action_source")
    event |= {} if source is None else {"action_source": SOURCES.get(str(source), source)}
    top.move("value", "custom_data.value", data, to="value")
    top.move("currency", "custom_data.currency", data, to="currency")
    top.move("currency_code", "custom_data.currency", data, to="currency")
    _properties(top.nested("properties"), event, data)
    event |= {"custom_data": data} if data else {}
    event |= _user(top.nested("user_data"))
    top.finish()
    return call | {"events": [event]}, report


def _event_type(top: _Reader) -> dict[str, Any]:
    """Return type and name; a type that is unknown here becomes a custom event of that name."""
    given = top.take("event_type", "event_type")
    name = top.take("custom_event", "custom_event_name")
    kind = EVENT_NAMES.get(str(given), given)
    if isinstance(kind, str) and kind not in EVENT_TYPES:
        kind, name = "custom", name or kind
    found = {"event_type": kind, "custom_event_name": name}
    return {key: value for key, value in found.items() if value is not None}


def _time(given: object) -> object:
    """Return seconds since the epoch as a time with an offset; anything else as it is."""
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        return given
    try:
        return (_EPOCH + timedelta(microseconds=int(given * 1_000_000))).isoformat()
    except (OverflowError, ValueError):
        return str(given)


def _properties(given: _Reader, event: dict[str, Any], data: dict[str, Any]) -> None:
    given.move("page_url", "event_source_url", event, to="event_source_url")
    given.move("transaction_id", "custom_data.order_id", data, to="order_id")
    items = given.take("items", "custom_data.contents")
    if isinstance(items, list):
        data["contents"] = [dict(_item(each)) if isinstance(each, dict) else each for each in items]
    elif items is not None:
        data["contents"] = items
    given.finish()


def _item(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((_ITEM[key], value) for key, value in given.items() if key in _ITEM)


def _user(given: _Reader) -> dict[str, Any]:
    """Return `user_match`, and in `ext` the privacy signals."""
    match: dict[str, Any] = {}
    for key, to in (("email_address", "hashed_email"), ("phone_numbers", "hashed_phone")):
        hashes = given.take(key, f"user_match.{to}")
        match |= {to: hashes[0] if isinstance(hashes, list) else hashes} if hashes else {}
    uids = [_uid(each) for each in _list(given.take("uids", "user_match.uids"))]
    if (advertising_id := given.take("ifa", "user_match.uids")) is not None:
        uids.append({"type": "maid", "value": advertising_id})
    match |= {"uids": uids} if uids else {}
    given.move("click_id", "user_match.click_id", match, to="click_id")
    given.move("event_ip_address", "user_match.client_ip", match, to="client_ip")
    given.move("event_user_agent", "user_match.client_user_agent", match, to="client_user_agent")
    signals: dict[str, Any] = {}
    for key in CARRIED:
        given.move(key, f"ext.{key}", signals, to=key)
    given.finish()
    found = {"user_match": match, "ext": signals}
    return {key: value for key, value in found.items() if value}


def _list(given: object) -> list[Any]:
    return given if isinstance(given, list) else []


def _uid(given: object) -> object:
    if not isinstance(given, dict):
        return given
    return {"type": UID_TYPES.get(str(given.get("source")), "other"), "value": given.get("id")}
