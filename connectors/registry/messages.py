"""Messages of the registry topic: each creates, changes or deletes an event source.

A key is `advertiser_id/event_source_id`; a message without a value deletes. The latest message of a
key counts; a source without messages does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from attribution.contract.document import Unreadable, read_document
from attribution.contract.event_source import EventSource, judge_event_source
from attribution.registry import SourceVersion, following, version_of
from connectors.registry.kept import Key, Versions
from connectors.registry.source import SourceMessage


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a source to a new version; a `version` of None deletes it."""

    key: Key
    version: SourceVersion | None


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """A message that is ignored because it is invalid. `reason` contains no identifier."""

    reason: str


def read_message(message: SourceMessage, known: Iterable[Key]) -> Change | UnreadableMessage | None:
    """Read a message; None if it deletes a source that is not `known`."""
    if message.value is None:
        return next((Change(each, None) for each in known if _spelled(each) == message.key), None)
    document = read_document(message.value)
    if isinstance(document, Unreadable):
        return UnreadableMessage(document.message)
    source = judge_event_source(document)
    if not isinstance(source, EventSource):
        return UnreadableMessage(
            "; ".join(f"{each.field or 'document'}: {each.message}" for each in source)
        )
    named = (source.advertiser_id, source.event_source_id)
    if _spelled(named) != message.key:
        return UnreadableMessage(
            "the key is expected to be advertiser_id/event_source_id of the document"
        )
    return Change(named, version_of(source))


def add_message(message: SourceMessage, versions: Versions, delay: int) -> None:
    """Let a message take effect `delay` (us) after it was written; ignore an invalid one."""
    change = read_message(message, versions)
    if change is not None and not isinstance(change, UnreadableMessage):
        at = (message.written_at or 0) + delay
        versions[change.key] = following(versions.get(change.key, ()), change.version, at)


class Words:
    """The latest message of each key.

    When partitions are added, a key may move to another one; its old messages remain in the first.
    """

    def __init__(self) -> None:
        """Start before the first message."""
        self._last: dict[bytes | None, SourceMessage] = {}

    def clear(self) -> None:
        """Discard all: the topic is read again from the beginning."""
        self._last.clear()

    def hear(self, message: SourceMessage) -> bool:
        """Record a message; return False if another partition has a later one of its key."""
        last = self._last.get(message.key, message)
        if last.partition != message.partition and _order(last) > _order(message):
            return False
        # Documents are not kept, only whether there was one.
        self._last[message.key] = replace(message, value=message.value and b"any")
        return True

    def tell_of(self, key: Key) -> bool:
        """Return whether the latest message of a source has a value, even if it is invalid."""
        last = self._last.get(_spelled(key))
        return last is not None and last.value is not None


def _order(message: SourceMessage) -> tuple[int, str]:
    return message.written_at or 0, str(message.partition)


def _spelled(key: Key) -> bytes:
    return "/".join(key).encode()
