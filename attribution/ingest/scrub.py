"""Raw personal data in a document, replaced by tokens that are judged alike: none is stored.

Producers must hash identifiers. The contract drops what they send in the clear; here its text is
removed too, before the document is kept.
"""

import re
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from attribution.contract.document import JsonObject, write_document
from attribution.contract.split import read_event, split_events
from attribution.contract.user_match import RAW_PII_KEYS, UID_LENGTH_MAX

HASHES: Final = ("hashed_email", "hashed_phone")

OURS: Final = frozenset({"advertiser_id", "received_at", "claim"})
"""Fields of a stored call that the server sets."""

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_EMAIL: Final = re.compile(r".*@", re.DOTALL)
_PHONE: Final = re.compile(r"\s*\+\s*\(?[0-9]", re.DOTALL)

_KEY: Final = r"\s*:\s*"
_NO_HASH: Final = r'(?:[^"\sn]|"[0-9a-f]{0,63}[^0-9a-f]|"[0-9a-f]{64}[^"])'
_NO_FLAT_OBJECTS: Final = r"(?:[^\[\sn]|\[\s*(?:\{[^{}]*\}[\s,]*)*(?:\{[^{}]*\{|[^{\]\s,]))"
_SUSPICIOUS: Final = "|".join(
    (
        f'"(?i:{"|".join(sorted(RAW_PII_KEYS))})"{_KEY}',
        f'"(?:{"|".join(sorted(OURS))})"{_KEY}',
        # A hash that is none: not a text, too short, of other characters, or too long.
        f'"(?:{"|".join(HASHES)})"{_KEY}{_NO_HASH}',
        # A hashed email among the uids, uids that are no array of flat objects, a block that is no
        # object, a letter that is escaped.
        r'"(?i:hashed_email)"\s*[,}]',
        f'"uids"{_KEY}{_NO_FLAT_OBJECTS}',
        f'"user_match"{_KEY}[^{{\\sn]',
        r"\\u00[4-7]",
    )
)


def is_surely_clean(body: bytes) -> bool:
    """Return whether the text of a document shows that it holds nothing to scrub.

    It reads no JSON and takes a hundredth of the time; a text it doubts may be clean all the same.
    """
    return not _are_suspicious([body])[0]


def _are_suspicious(texts: list[bytes]) -> list[bool]:
    found = pc.match_substring_regex(pa.array(texts, pa.binary()), _SUSPICIOUS)
    return found.to_numpy(zero_copy_only=False).tolist()


def scrubbed_events(body: bytes) -> bytes | None:
    """Return the text of a valid document without raw personal data, reading only some events.

    None where the whole document has to be read.
    """
    split = split_events(body)
    if split is None or not is_surely_clean(split.frame()):
        return None
    is_suspicious = _are_suspicious(split.events)
    for index in (at for at, found in enumerate(is_suspicious) if found):
        event = read_event(split.events[index])
        clean = _changed(event, _of_event)
        if clean is not event:
            split.events[index] = write_document(clean)
    return split.with_events(split.events)


def scrubbed(document: JsonObject) -> tuple[JsonObject, bool]:
    """Return a log-event document without raw personal data, and whether it held any.

    Fields that the server sets are left out too: other readers of the log may take a sender's copy
    of them for its own.
    """
    kept = document
    if OURS & document.keys():
        kept = JsonObject([pair for pair in document.pairs if pair[0] not in OURS])
        kept.has_halves = document.has_halves
    clean = _changed(kept, _of_document)
    assert isinstance(clean, JsonObject)
    return clean, clean is not document


def scrubbed_record(record: JsonObject) -> JsonObject:
    """Return an impression or click without raw personal data; itself if it holds none."""
    clean = _changed(record, _of_event)
    assert isinstance(clean, JsonObject)
    return clean


def _of_document(key: str, value: object) -> object:
    if key == "events" and isinstance(value, list):
        clean = [_changed(each, _of_event) for each in value]
        is_same = all(new is old for new, old in zip(clean, value, strict=True))
        return value if is_same else clean
    return _without_raw_pii(key, value)


def _of_event(key: str, value: object) -> object:
    if key != "user_match" or value is None:
        return _without_raw_pii(key, value)
    return _changed(value, _of_match) if isinstance(value, JsonObject) else "redacted"


def _of_match(key: str, value: object) -> object:
    if key == "uids" and value is not None:
        return _uids(value)
    if key in HASHES:
        return _hash(value)
    return _changed(_without_raw_pii(key, value), _without_raw_pii)


def _uids(value: object) -> object:
    if not isinstance(value, list):
        return "redacted"
    clean = [_uid(each) for each in value]
    is_same = all(new is old for new, old in zip(clean, value, strict=True))
    return value if is_same else clean


def _uid(given: object) -> object:
    if not isinstance(given, JsonObject):
        return "redacted"
    kind = given.get("type")
    if not isinstance(kind, str) or kind.lower() != "hashed_email":
        return given
    return _changed(given, lambda key, value: _uid_hash(value) if key == "value" else value)


def _uid_hash(value: object) -> object:
    """Return what stands for the value of a uid; one that is no text of its length has no hash."""
    is_text = isinstance(value, str) and 1 <= len(value) <= UID_LENGTH_MAX
    return _hash(value) if is_text else None


def _without_raw_pii(key: str, value: object) -> object:
    is_raw = key.lower() in RAW_PII_KEYS and value is not None
    return f"redacted:{key.lower()}" if is_raw else value


def _hash(value: object) -> object:
    """Return a hash as it is, and a token of the same verdict for what is none."""
    if value is None or (isinstance(value, str) and _HASH.fullmatch(value)):
        return value
    if not isinstance(value, str):
        return "redacted"
    if _EMAIL.match(value):
        return "redacted@email"
    return "+0 redacted phone" if _PHONE.match(value) else "redacted"


def _changed(given: object, change: Callable[[str, object], object]) -> object:
    """Return an object with changed values, wherever their keys stand; itself if none changes."""
    if not isinstance(given, JsonObject):
        return given
    pairs = [(key, change(key, value)) for key, value in given.pairs]
    if all(new is old for (_, new), (_, old) in zip(pairs, given.pairs, strict=True)):
        return given
    clean = JsonObject(pairs)
    clean.has_halves = given.has_halves
    return clean
