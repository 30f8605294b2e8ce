"""Raw personal data in a document, replaced by tokens that are judged alike: none is stored.

Producers must hash identifiers. The contract drops what they send in the clear; here its text is
removed too, before the document is kept.
"""

import re
from collections.abc import Mapping
from typing import Final

from attribution.contract.document import JsonObject
from attribution.contract.user_match import RAW_PII_KEYS

HASHES: Final = ("hashed_email", "hashed_phone")

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_EMAIL: Final = re.compile(r".*@", re.DOTALL)
_PHONE: Final = re.compile(r"\s*\+\s*\(?[0-9]", re.DOTALL)


def scrubbed(document: JsonObject) -> tuple[JsonObject, bool]:
    """Return a log-event document without raw personal data, and whether it held any."""
    events = document.get("events")
    if not isinstance(events, list):
        return document, False
    clean = [_event(each) if isinstance(each, JsonObject) else each for each in events]
    if all(new is old for new, old in zip(clean, events, strict=True)):
        return document, False
    return _with(document, {"events": clean}), True


def _event(event: JsonObject) -> JsonObject:
    match = event.get("user_match")
    if not isinstance(match, JsonObject):
        return event
    tokens = {key: token for key, value in match.pairs if (token := _token(key, value))}
    return _with(event, {"user_match": _with(match, tokens)}) if tokens else event


def _token(key: str, value: object) -> str | None:
    """Return what stands for a value that must not be kept; None for any other."""
    if key.lower() in RAW_PII_KEYS and value is not None:
        return f"redacted:{key.lower()}"
    if key not in HASHES or not isinstance(value, str) or _HASH.fullmatch(value):
        return None
    if _EMAIL.match(value):
        return "redacted@email"
    return "+0 redacted phone" if _PHONE.match(value) else "redacted"


def _with(given: JsonObject, changed: Mapping[str, object]) -> JsonObject:
    """Return an object with other values of some keys, wherever those stand."""
    changed_object = JsonObject([(key, changed.get(key, value)) for key, value in given.pairs])
    changed_object.has_halves = given.has_halves
    return changed_object
