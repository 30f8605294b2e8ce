"""Stops the flow if a log cannot be read or a result cannot be written, without an engine panic.

An exception inside a source or a sink makes the engine panic and print its own messages. Here the
lanes end instead, without a final watermark, and nothing more is written; the caller of the flow
then looks at `failures`.
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
    """A source whose lanes all end once `failures` has an entry, such as a LogError of a lane."""

    source: FixedPartitionedSource[DecodedChunk, None]
    failures: Failures = field(default_factory=list)

    def list_parts(self) -> list[str]:
        """Return the names of the lanes."""
        return self.source.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Partition:
        """Open a lane; if that fails, it ends at once."""
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
        """Read the next batch, unless some lane has failed."""
        if self._part is None or self._failures:
            raise StopIteration
        try:
            return self._part.next_batch()
        except LogError as error:
            self._failures.append(error)
            raise StopIteration from error

    def next_awake(self) -> datetime | None:
        """Return the lane's own next poll time."""
        return None if self._part is None else self._part.next_awake()

    def close(self) -> None:
        """Close the lane."""
        if self._part is not None:
            self._part.close()

    def snapshot(self) -> None:
        """Return no state: a replay cannot resume."""


@dataclass(frozen=True, slots=True)
class HaltingSink(FixedPartitionedSink[Rows, int]):
    """A sink that adds the reason why it cannot write to `failures`, then discards all rows."""

    sink: FixedPartitionedSink[Rows, int]
    path: Path
    failures: Failures

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return self.sink.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_HaltingWriter":
        """Open the partition."""
        return _HaltingWriter(self, self.sink.build_part(step_id, for_part, resume_state))


class _HaltingWriter(StatefulSinkPartition[Rows, int]):
    def __init__(self, to: HaltingSink, part: StatefulSinkPartition[Rows, int]) -> None:
        self._to = to
        self._part = part
        self._seq = 0

    def write_batch(self, values: list[Rows]) -> None:
        """Write rows, unless something has failed."""
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
