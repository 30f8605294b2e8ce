"""The events of a large document as texts, found without reading what is in them.

A document of 10,000 events takes a tenth of a second to read; often only a few of them matter.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from attribution.contract.document import JsonObject, read_document

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


def read_event(text: bytes) -> object:
    """Read the text of one event of a valid document, as `read_document` reads it inside."""
    read = read_document(b'{"event":' + text + b"}")
    assert isinstance(read, JsonObject), "a part of a valid document is valid"
    return read["event"]
