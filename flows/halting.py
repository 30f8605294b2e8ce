"""Stops the flow where a log cannot be read, instead of crashing the engine.

An exception inside a source ends in a panic of the engine, with its own words on the screen. Here
the lanes just end, without a promise that everything was read; whoever ran the flow asks why.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from attribution.keyed import Read
from connectors.files import LogError

Partition = StatefulSourcePartition[Read, None]


@dataclass(frozen=True, slots=True)
class HaltingSource(FixedPartitionedSource[Read, None]):
    """A source whose lanes all end when one of them meets a LogError, kept in `failures`."""

    source: FixedPartitionedSource[Read, None]
    failures: list[LogError] = field(default_factory=list)

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
    def __init__(self, part: Partition | None, failures: list[LogError]) -> None:
        self._part = part
        self._failures = failures

    def next_batch(self) -> Iterable[Read]:
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
