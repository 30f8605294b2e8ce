"""Ends the process where the run cannot go on, with one sentence instead of the engine's panic.

State on disk is safe at any moment, so the quickest way out is also the cleanest: no exception
travels through the engine, nothing is closed, nothing is flushed. What needs an operator is told
in a sentence and exits with BROKEN; what time mends, in a sentence and with FAILED; anything else
is our own fault, and a traceback.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.keyed import Read, Rows
from connectors.cluster import ClusterError, OutageError
from connectors.database import DatabaseError
from connectors.dead_letter_limit import TooManyDeadLettersError
from connectors.files import LogError
from connectors.manifests import SegmentError
from connectors.producing import PublishError
from connectors.segments import Batches, Segments, Snapshots
from flows.stopping import BROKEN, FAILED

OPERATING: Final = (
    LogError,
    DatabaseError,
    SegmentError,
    ClusterError,
    PublishError,
    TooManyDeadLettersError,
    OSError,
)
"""What is told in a sentence."""

PASSING: Final = (OutageError,)
"""What needs no operator but time: a new start may find it mended."""

STORE_FAILURES: Final = ("SqliteFailure", "disk I/O error", "database or disk is full")
"""Words by which the engine says that its store cannot be written."""

Source = FixedPartitionedSource[Read, Any]
SourcePartition = StatefulSourcePartition[Read, Any]
Sink = FixedPartitionedSink[Rows, int]
SinkPartition = StatefulSinkPartition[Rows, int]

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def end(error: BaseException) -> NoReturn:
    """Tell what happened and leave the process, now."""
    is_operating = isinstance(error, OPERATING)
    told = f"tributary: {error}\n" if is_operating else "".join(traceback.format_exception(error))
    sys.stderr.write(told)
    sys.stderr.flush()
    os._exit(BROKEN if is_operating and not isinstance(error, PASSING) else FAILED)


@contextmanager
def quiet_engine(store: Path) -> Iterator[None]:
    """Run the engine without its panics on the screen; its own failures end the process too.

    They come from its store, or from the other processes of the run. What it writes to stderr is
    kept, and shown where it is needed to understand a failure.
    """
    with TemporaryFile() as said, os.fdopen(os.dup(2), "w", buffering=1) as screen:
        before, sys.stderr = sys.stderr, screen
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException as error:  # noqa: BLE001  a panic is no Exception
            said.seek(0)
            _end_engine(error, store, said.read().decode(errors="replace"))
        finally:
            os.dup2(screen.fileno(), 2)
            sys.stderr = before


def _end_engine(error: BaseException, store: Path, said: str) -> NoReturn:
    is_disk = any(sign in f"{error} {said}" for sign in STORE_FAILURES)
    if is_disk:
        told = f"tributary: {store} cannot be written; make room or mend the disk, and start again"
    else:
        told = (
            f"{said}tributary: the engine failed: {error}; what is committed is safe, start again"
        )
    sys.stderr.write(f"{told}\n")
    sys.stderr.flush()
    os._exit(BROKEN if is_disk else FAILED)


def guarded(call: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
    """Call, and leave the process on any error; StopIteration is the engine's word for the end."""
    try:
        return call(*args, **kwargs)
    except StopIteration:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, the engine must not see it
        end(error)


@dataclass(frozen=True, slots=True)
class EndingSource(Source):
    """A source whose errors end the process."""

    source: Source

    def list_parts(self) -> list[str]:
        """Name the lanes."""
        return self.source.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> SourcePartition:  # noqa: ANN401
        """Open a lane."""
        return _Lane(guarded(self.source.build_part, step_id, for_part, resume_state))


@dataclass(slots=True)
class _Lane(SourcePartition):
    part: SourcePartition

    def next_batch(self) -> Iterable[Read]:
        return guarded(self.part.next_batch)

    def next_awake(self) -> datetime | None:
        return self.part.next_awake()

    def snapshot(self) -> Any:  # noqa: ANN401  what it is, the lane knows
        return guarded(self.part.snapshot)

    def close(self) -> None:
        self.part.close()


@dataclass(frozen=True, slots=True)
class EndingSink(Sink):
    """A sink whose errors end the process."""

    sink: Sink

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return self.sink.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> SinkPartition:
        """Open the database."""
        return _Writer(guarded(self.sink.build_part, step_id, for_part, resume_state))


@dataclass(slots=True)
class _Writer(SinkPartition):
    part: SinkPartition

    def write_batch(self, values: list[Rows]) -> None:
        guarded(self.part.write_batch, values)

    def snapshot(self) -> int:
        return guarded(self.part.snapshot)

    def close(self) -> None:
        self.part.close()


class EndingSegments(Segments):
    """Segments whose errors end the process."""

    def snapshots(self) -> "EndingSnapshots":
        """Give the snapshots of one key group of a step."""
        return EndingSnapshots(self)


class EndingSnapshots(Snapshots):
    """Snapshots whose errors end the process."""

    def save(self, state: Batches) -> tuple[Any, ...]:
        """Store what is new."""
        return guarded(super().save, state)

    def load(self, manifest: tuple[Any, ...]) -> Batches:
        """Read what was stored."""
        return guarded(super().load, manifest)
