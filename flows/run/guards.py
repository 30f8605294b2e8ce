"""Wrappers around the sources, sinks and keyed steps of a continuous run.

Errors end the process with a message, because a panic of the engine explains nothing. Snapshots are
sealed (`sealed`) on their way to the engine's recovery store, and checked when they are resumed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import DecodedChunk, Frame, Rows
from connectors.lanes.snapshot import LaneState
from connectors.state.manifests import StepState
from connectors.state.sealing import Sealed, State, sealed, unsealed
from flows.dataflow.steps import Advance, Builder
from flows.process.exits import guarded

Source = FixedPartitionedSource[DecodedChunk, Any]
SourcePartition = StatefulSourcePartition[DecodedChunk, Any]
Sink = FixedPartitionedSink[Rows, Any]
SinkPartition = StatefulSinkPartition[Rows, Any]
Logic = StatefulBatchLogic[Frame, Advance, Any]


def _opened(kept: Sealed | None, kind: type[State]) -> State | None:
    """Return the snapshot that the engine resumes; None on a first start."""
    return None if kept is None else unsealed(kept, kind)


@dataclass(frozen=True, slots=True)
class ExitOnErrorSource(Source):
    """A source whose errors end the process."""

    source: Source

    def list_parts(self) -> list[str]:
        """Return the names of the lanes."""
        return self.source.list_parts()

    def build_part(
        self, step_id: str, for_part: str, resume_state: Sealed | None
    ) -> SourcePartition:
        """Open a lane."""
        build = self.source.build_part
        return _Lane(guarded(lambda: build(step_id, for_part, _opened(resume_state, LaneState))))


@dataclass(slots=True)
class _Lane(SourcePartition):
    part: SourcePartition

    def next_batch(self) -> Iterable[DecodedChunk]:
        return guarded(self.part.next_batch)

    def next_awake(self) -> datetime | None:
        return self.part.next_awake()

    def snapshot(self) -> Sealed:
        return guarded(lambda: sealed(self.part.snapshot()))

    def close(self) -> None:
        self.part.close()


@dataclass(frozen=True, slots=True)
class ExitOnErrorSink(Sink):
    """A sink whose errors end the process."""

    sink: Sink

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return self.sink.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: Sealed | None) -> SinkPartition:
        """Open the database."""
        build = self.sink.build_part
        return _Writer(guarded(lambda: build(step_id, for_part, _opened(resume_state, int))))


@dataclass(slots=True)
class _Writer(SinkPartition):
    part: SinkPartition

    def write_batch(self, values: list[Rows]) -> None:
        guarded(self.part.write_batch, values)

    def snapshot(self) -> Sealed:
        return guarded(lambda: sealed(self.part.snapshot()))

    def close(self) -> None:
        self.part.close()


def ending(build: Builder) -> Builder:
    """Return a builder of keyed steps whose errors end the process."""

    def ending_build(kept: Sealed | None) -> Logic:
        return _Step(guarded(lambda: build(_opened(kept, StepState))))

    return ending_build


@dataclass(slots=True)
class _Step(Logic):
    logic: Logic

    def on_batch(self, values: list[Frame]) -> tuple[Iterable[Advance], bool]:
        return guarded(self.logic.on_batch, values)

    def snapshot(self) -> Sealed:
        return guarded(lambda: sealed(self.logic.snapshot()))
