"""Stops the flow where a log cannot be read or a result not be written, without an engine's crash.

An exception inside a source or a sink ends in a panic of the engine, with its own words on the
screen. Here the lanes just end, without a promise that everything was read, and nothing more is
written; whoever ran the flow asks why.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import DecodedChunk, Rows
from connectors.database.file import DatabaseError
from connectors.database.ownership import writing
from connectors.database.replay_file import REPLAY_AGAIN
from connectors.files.folder import LogError

Failures = list[LogError | DatabaseError]
Partition = StatefulSourcePartition[DecodedChunk, None]


@dataclass(frozen=True, slots=True)
class HaltingSource(FixedPartitionedSource[DecodedChunk, None]):
    """A source whose lanes all end when `failures` has one: a LogError of a lane, for instance."""

    source: FixedPartitionedSource[DecodedChunk, None]
    failures: Failures = field(default_factory=list)

    def list_parts(self) -> list[str]:
        """Name the lanes."""
        return self.source.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Partition:
        """Open one lane; one that cannot be opened ends at once."""
        try:
            part = self.source.build_part(step_id, for_part, resume_state)
        except LogError as error:
            self.failures.append(error)
            return _HaltingPartition(None, self.failures)
        return _HaltingPartition(part, self.failures)


class _HaltingPartition(Partition):
    def __init__(self, part: Partition | None, failures: Failures) -> None:
        self._part = part
        self._failures = failures

    def next_batch(self) -> Iterable[DecodedChunk]:
        """Read on, unless some lane has failed."""
        if self._part is None or self._failures:
            raise StopIteration
        try:
            return self._part.next_batch()
        except LogError as error:
            self._failures.append(error)
            raise StopIteration from error

    def next_awake(self) -> datetime | None:
        """Ask again when the lane wants to be asked."""
        return None if self._part is None else self._part.next_awake()

    def snapshot(self) -> None:
        """Keep nothing: a replay that was stopped starts over."""


@dataclass(frozen=True, slots=True)
class HaltingSink(FixedPartitionedSink[Rows, int]):
    """A sink that adds to `failures` why it cannot write `path`, and then takes everything."""

    sink: FixedPartitionedSink[Rows, int]
    path: Path
    failures: Failures

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return self.sink.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_HaltingWriter":
        """Open it."""
        return _HaltingWriter(self, self.sink.build_part(step_id, for_part, resume_state))


class _HaltingWriter(StatefulSinkPartition[Rows, int]):
    def __init__(self, to: HaltingSink, part: StatefulSinkPartition[Rows, int]) -> None:
        self._to = to
        self._part = part
        self._seq = 0

    def write_batch(self, values: list[Rows]) -> None:
        """Take rows."""
        if not self._to.failures:
            self._part.write_batch(values)

    def snapshot(self) -> int:
        """Commit, unless something has failed."""
        if not self._to.failures:
            try:
                with writing(self._to.path, REPLAY_AGAIN):
                    self._seq = self._part.snapshot()
            except DatabaseError as error:
                self._to.failures.append(error)
        return self._seq
