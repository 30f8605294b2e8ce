"""The parts of a document as texts, found without reading what is in them.

A document of 10,000 events takes a tenth of a second to read; often only a few of them matter.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from attribution.contract.document import JsonObject, Unreadable, read_document, write_document

WORTHWHILE_BYTES: Final = 16_000
"""Smaller documents are read whole as quickly."""

_KEY: Final = b'"events"'
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")


class _Texts(msgspec.Struct, gc=False):
    events: list[msgspec.Raw]


class _Array(msgspec.Struct, gc=False):
    events: msgspec.Raw


_TEXTS: Final = msgspec.json.Decoder(_Texts)
_ARRAY: Final = msgspec.json.Decoder(_Array)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Split:
    """A document as `before + array of events + after`; each event is its JSON text."""

    before: bytes
    events: list[bytes]
    after: bytes

    def with_events(self, events: list[bytes]) -> bytes:
        """Return the document with these events."""
        return self.before + b"[" + b",".join(events) + b"]" + self.after

    def frame(self) -> bytes:
        """Return the document with null in the place of its events."""
        return self.with_events([b"null"])


def split_events(document: bytes) -> Split | None:
    """Split a valid document; None where its events cannot be found without reading it.

    That is where the key may stand more than once, or is written with escapes.
    """
    if document.count(_KEY) != 1 or _ESCAPED_LETTER.search(document):
        return None
    try:
        events = [bytes(text) for text in _TEXTS.decode(document).events]
        array = bytes(_ARRAY.decode(document).events)
    except (msgspec.DecodeError, RecursionError):
        return None
    start = document.index(array, document.index(_KEY) + len(_KEY))
    return Split(document[:start], events, document[start + len(array) :])


def split_fields(document: bytes) -> dict[str, bytes] | Unreadable:
    """Split an object into its fields, each with the JSON text of its value.

    Texts are not read, so they may still turn out to be invalid. Of equal keys one is returned.
    """
    try:
        return {name: bytes(text) for name, text in _FIELDS.decode(document).items()}
    except (msgspec.DecodeError, RecursionError):
        read = read_document(document)
    if isinstance(read, Unreadable):
        return read
    return {name: write_document(value) for name, value in read.items()}


def join_fields(fields: Mapping[str, bytes]) -> bytes:
    """Return the object of such fields."""
    parts = (json.dumps(name).encode() + b":" + text for name, text in fields.items())
    return b"{" + b",".join(parts) + b"}"


def read_event(text: bytes) -> object:
    """Read the text of one event of a valid document, as `read_document` reads it inside."""
    read = read_document(b'{"event":' + text + b"}")
    assert isinstance(read, JsonObject), "a part of a valid document is valid"
    return read["event"]
