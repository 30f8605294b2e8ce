"""What a message of the registry topic says: an event source as it is now, or that there is none.

A key is `advertiser_id/event_source_id`; a message without a value deletes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from attribution.contract.document import Unreadable, read_document
from attribution.contract.event_source import EventSource, judge_event_source
from attribution.registry import SourceVersion, version_of
from connectors.source_versions import Key


@dataclass(frozen=True, slots=True)
class Change:
    """A source as it is from now on; without a version there is none any more."""

    key: Key
    version: SourceVersion | None


@dataclass(frozen=True, slots=True)
class Faulty:
    """A message that says nothing of use; what was known stays. Names no identifier."""

    reason: str


def read_message(
    key: bytes | None, value: bytes | None, known: Iterable[Key]
) -> Change | Faulty | None:
    """Read a message; None where it deletes what is not `known`."""
    if value is None:
        return next((Change(each, None) for each in known if _spelled(each) == key), None)
    document = read_document(value)
    if isinstance(document, Unreadable):
        return Faulty(document.message)
    source = judge_event_source(document)
    if not isinstance(source, EventSource):
        return Faulty("; ".join(f"{each.field or 'document'}: {each.message}" for each in source))
    named = (source.advertiser_id, source.event_source_id)
    if _spelled(named) != key:
        return Faulty("the key is expected to be advertiser_id/event_source_id of the document")
    return Change(named, version_of(source))


def _spelled(key: Key) -> bytes:
    return "/".join(key).encode()
