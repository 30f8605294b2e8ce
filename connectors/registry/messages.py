"""Messages of the registry topic: each creates, changes or deletes an event source.

A key is `advertiser_id/event_source_id`; a message without a value deletes. The latest message of a
key counts; a source without messages does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass

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


def read_message(
    key: bytes | None, value: bytes | None, known: Iterable[Key]
) -> Change | UnreadableMessage | None:
    """Read a message; None if it deletes a source that is not `known`."""
    if value is None:
        return next((Change(each, None) for each in known if _spelled(each) == key), None)
    document = read_document(value)
    if isinstance(document, Unreadable):
        return UnreadableMessage(document.message)
    source = judge_event_source(document)
    if not isinstance(source, EventSource):
        return UnreadableMessage(
            "; ".join(f"{each.field or 'document'}: {each.message}" for each in source)
        )
    named = (source.advertiser_id, source.event_source_id)
    if _spelled(named) != key:
        return UnreadableMessage(
            "the key is expected to be advertiser_id/event_source_id of the document"
        )
    return Change(named, version_of(source))


def add_message(message: SourceMessage, versions: Versions, delay: int) -> None:
    """Let a message take effect `delay` (us) after it was written; ignore an invalid one."""
    change = read_message(message.key(), message.value(), versions)
    if change is not None and not isinstance(change, UnreadableMessage):
        at = message.timestamp()[1] * 1_000 + delay
        versions[change.key] = following(versions.get(change.key, ()), change.version, at)


@dataclass(frozen=True, slots=True)
class Word:
    """The latest message of a key: its partition, its time (ms), and whether it has a value."""

    partition: int | str
    said_at: int
    is_value: bool


class Words:
    """The latest message of each key.

    When partitions are added, a key may move to another one; its old messages remain in the first.
    """

    def __init__(self) -> None:
        """Start before the first message."""
        self._last: dict[bytes | None, Word] = {}

    def clear(self) -> None:
        """Discard all: the topic is read again from the beginning."""
        self._last.clear()

    def hear(self, message: SourceMessage) -> bool:
        """Record a message; return False if another partition has a later one of its key."""
        key, partition = message.key(), message.partition()
        assert partition is not None
        word = Word(partition, message.timestamp()[1], message.value() is not None)
        last = self._last.get(key, word)
        if last.partition != partition and _order(last) > _order(word):
            return False
        self._last[key] = word
        return True

    def tell_of(self, key: Key) -> bool:
        """Return whether the latest message of a source has a value, even if it is invalid."""
        word = self._last.get(_spelled(key))
        return word is not None and word.is_value


def _order(word: Word) -> tuple[int, str]:
    return word.said_at, str(word.partition)


def _spelled(key: Key) -> bytes:
    return "/".join(key).encode()
