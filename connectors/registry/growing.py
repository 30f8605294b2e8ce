"""Event sources of a folder as a file that grows: `event_sources.ndjson`, a line per change.

A line is the document of a source with `received_at`, when it was written; `"deleted": true`
deletes the source. Several processes may append: each stamps its line under a lock of the file.
"""

import fcntl
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from attribution.contract.document import Unreadable, read_document, write_document
from attribution.contract.times import parse_time, write_time
from attribution.registry import Registry
from connectors.registry.kept import TopicOffsets, Versions
from connectors.registry.messages import add_message
from connectors.registry.source import SourceMessage

FILE: Final = "event_sources.ndjson"

DELAY: Final = 500_000
"""From a line to its effect (us): longer than a lane takes to read it."""

LOOK_INTERVAL: Final = 100_000
"""Between two looks whether there is more (us)."""


def _message(line: bytes, at: int) -> SourceMessage:
    """Read a line, which begins at byte `at`; one that is no object has no key of a source."""
    document = read_document(line)
    fields = {} if isinstance(document, Unreadable) else document
    written = parse_time(fields.get("received_at"))
    return SourceMessage(
        key=f"{fields.get('advertiser_id')}/{fields.get('event_source_id')}".encode(),
        value=None if fields.get("deleted") is True else line,
        partition=0,
        offset=at,
        written_at=0 if written is None else written.microseconds,
    )


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file in a folder."""

    folder: Path
    delay: int = DELAY
    look_interval: int = LOOK_INTERVAL
    topic: str = FILE

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / FILE

    def reader(self, on_begin: Callable[[], None]) -> "SourceFileReader":
        """Open a reader."""
        return SourceFileReader(self, on_begin)

    def append(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Add lines, synced; return when they were written (us)."""
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now = time.time_ns() // 1_000
            stamp = {"received_at": write_time(now)}
            file.write(b"".join(write_document({**stamp, **each}) + b"\n" for each in documents))
            file.flush()
            os.fdatasync(file.fileno())
        return now

    def length(self) -> int:
        """Return the size of the file, in bytes."""
        return self.path.stat().st_size if self.path.exists() else 0

    def find_claim(self, claim: str, claimed_at: float) -> str | None:
        """Return an empty text if the sync of a claim has changed anything, else None."""
        del claimed_at
        is_there = self.path.exists() and f'"claim":"{claim}"'.encode() in self.path.read_bytes()
        return "" if is_there else None

    def registry(self) -> Registry:
        """Return all versions that the file makes, each in effect a delay after its line."""
        versions: Versions = {}
        for line in SourceFileReader(self, lambda: None).messages():
            add_message(line, versions, self.delay)
        return Registry(versions=versions)


class SourceFileReader:
    """Reads the lines of the file in their order."""

    def __init__(self, source: SourceFile, on_begin: Callable[[], None]) -> None:
        """Begin; `on_begin` is called when the file was replaced and all is read again."""
        self._path = source.path
        self._on_begin = on_begin
        self._next = 0
        self._is_asked = self._has_read = False

    @property
    def read(self) -> TopicOffsets:
        """How far the file has been read."""
        return TopicOffsets(FILE, {"0": self._next})

    @property
    def is_asked(self) -> bool:
        """Whether the last question is still open."""
        return self._is_asked

    def messages(self, seconds: float = 0.0) -> list[SourceMessage]:
        """Return the next whole lines; never waits."""
        del seconds
        self._has_read = self._is_asked
        if not self._path.exists():
            return []
        if self._path.stat().st_size < self._next:
            self._next = 0
            self._on_begin()
        with self._path.open("rb") as file:
            file.seek(self._next)
            content = file.read()
        lines = []
        for line in content[: content.rfind(b"\n") + 1].splitlines(keepends=True):
            lines.append(_message(line.rstrip(b"\r\n"), self._next))
            self._next += len(line)
        return lines

    def ask(self) -> None:
        """Ask where the file ends now."""
        self._is_asked, self._has_read = True, False

    def has_given_all(self) -> bool:
        """Return whether all was returned that was there at the question; closes it."""
        if not self._has_read:
            return False
        self._is_asked = self._has_read = False
        return True

    def close(self) -> None:
        """Keep nothing open."""
