"""The bytes that an epoch writes, by size of the state and of the change.

The bench passes frames to the MATCH step and takes snapshots, as the engine does, and adds up the
files and manifests. Over enough epochs this includes all merges that a change causes.
"""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import pick
from attribution.columnar.frames import START, Frame
from attribution.policy import Policy
from benchmarks.state import match_rows
from connectors.state.segments import Segments
from flows.dataflow.steps import MatchStep, Size

STATE_ROWS: Final = (100_000, 1_000_000, 10_000_000)
CHANGED_ROWS: Final = (100, 1_000, 10_000)
EPOCHS: Final = 256
_FILL_ROWS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes written per epoch, mean and maximum, for a number of rows in state and of new rows."""

    state_rows: int
    changed_rows: int
    segment_bytes: int
    manifest_bytes: int
    bytes_max: int

    @property
    def per_row(self) -> float:
        """The bytes of segments per changed row."""
        return self.segment_bytes / self.changed_rows

    @staticmethod
    def header() -> str:
        """Return the header of the table."""
        names = ("state rows", "changed", "segments", "manifest", "bytes/row", "largest")
        return "".join(f"{name:>12}" for name in names)

    def row(self) -> str:
        """Return a row of the table."""
        columns = f"{self.state_rows:>12,}{self.changed_rows:>12,}{self.segment_bytes:>12,}"
        return columns + f"{self.manifest_bytes:>12,}{self.per_row:>12.0f}{self.bytes_max:>12,}"


def measure(
    log: Path, state_rows: int, changes: Sequence[int], *, epochs: int = EPOCHS
) -> Iterator[Written]:
    """Fill a state, then change it in `epochs` epochs for each size of a change."""
    with TemporaryDirectory(prefix="tributary-changes-") as folder:
        step = _step(Path(folder))
        frames = _Frames(match_rows(log))
        for at in range(0, state_rows, _FILL_ROWS):
            step.on_batch([frames.of(min(_FILL_ROWS, state_rows - at))])
        step.snapshot()
        for changed_rows in changes:
            sizes = list(_epochs(step, frames, Path(folder), changed_rows, epochs))
            yield _written(state_rows, changed_rows, sizes)


def _written(state_rows: int, changed_rows: int, sizes: list[tuple[int, int]]) -> Written:
    segments, manifests = zip(*sizes, strict=True)
    return Written(
        state_rows,
        changed_rows,
        round(sum(segments) / len(sizes)),
        round(sum(manifests) / len(sizes)),
        max(map(sum, sizes)),
    )


def _epochs(
    step: MatchStep, frames: "_Frames", folder: Path, changed_rows: int, epochs: int
) -> Iterator[tuple[int, int]]:
    """Yield the bytes of segments and manifest, epoch by epoch."""
    known = set(folder.iterdir())
    for _ in range(epochs):
        step.on_batch([frames.of(changed_rows)])
        manifest = len(pickle.dumps(step.snapshot()))
        now = set(folder.iterdir())
        yield sum(path.stat().st_size for path in now - known), manifest
        known = now


def _step(folder: Path) -> MatchStep:
    size = Size(lanes=1, groups=1, interval=0, provisional=True)
    step = MatchStep(Policy(), size=size)
    step.keep_in(Segments(folder), None)
    return step


class _Frames:
    """Frames of rows of a log, each row with a unique key."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self._rows = rows
        self._chance = np.random.default_rng(seed=1)
        self._at = rows.schema.get_field_index("key")

    def of(self, count: int) -> Frame:
        """Return a frame of `count` rows that does not move the watermark."""
        keys = np.sort(self._chance.integers(2**63, size=count, dtype=np.uint64))
        rows = pick(self._rows, self._chance.integers(len(self._rows), size=count))
        rows = rows.set_column(self._at, self._rows.schema.field(self._at), pa.array(keys))
        return Frame("impressions", 0, START, {"views": rows})
