"""What a followed registry is read from: a compacted topic, or a file that grows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from attribution.registry import Registry
from connectors.registry.kept import TopicOffsets


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """One change: an event source as it is from then on, or, without a value, its deletion.

    The key is `advertiser_id/event_source_id`. `written_at` is in microseconds; None if it is not
    known.
    """

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    written_at: int | None


class Reader(Protocol):
    """Reads all changes in their order, and knows whether there may be more."""

    @property
    def read(self) -> TopicOffsets:
        """How far was read."""

    @property
    def is_asked(self) -> bool:
        """Whether the last question is still open."""

    def messages(self, seconds: float = 0.0) -> Sequence[SourceMessage]:
        """Return the next changes; waits for the first for so long."""

    def ask(self) -> None:
        """Ask where the changes end now."""

    def has_given_all(self) -> bool:
        """Return whether everything up to that end was returned; this closes the question."""

    def close(self) -> None:
        """Let go of it."""


class Source(Protocol):
    """Where the changes are; `delay` is from a change to its effect (us)."""

    @property
    def topic(self) -> str:
        """The name of the topic or file."""

    @property
    def delay(self) -> int:
        """From a change to its effect (us)."""

    @property
    def look_interval(self) -> int:
        """Between two questions whether there is more (us)."""

    def reader(self, on_begin: Callable[[], None]) -> Reader:
        """Open a reader; it calls `on_begin` when all is read again."""


class SourceLog(Protocol):
    """The changes as an API has them: it adds some, and looks up what is in effect."""

    @property
    def delay(self) -> int:
        """From a change to its effect (us)."""

    def append(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Add changes, durably: documents of sources, with `deleted` to delete one.

        Return when they were written (us). Raises OSError where they cannot be kept.
        """

    def length(self) -> int:
        """Return a number that grows with every change."""

    def registry(self) -> Registry:
        """Return all versions that the changes make, each in effect a delay after its change."""
