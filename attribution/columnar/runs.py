"""Sorted columnar runs: the only state structure of the job.

A run is an immutable batch sorted by a 64-bit key. New rows form new runs; runs of about the same
size are merged, as in an LSM tree, so a row is rewritten a few times, not once per insert. A run
is dropped when all of its rows have expired; a merge also drops single expired rows. Because runs
are immutable, a snapshot writes each of them once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import (
    Hashes,
    Ints,
    concat,
    keep,
    pick,
    values,
    without_stale_names,
)

MERGE_AT: Final = 8
"""Runs of one size class before they are merged. More runs slow lookups, fewer cost rewriting."""

RUN_ROWS: Final = 1 << 20
"""A run of this many rows is not merged again, which bounds the time to merge and write one."""


@dataclass(frozen=True, slots=True, eq=False)
class SortedRun:
    """Rows sorted by `key`; `latest` is the largest value of the expiry column (us)."""

    key: Hashes
    rows: pa.RecordBatch
    latest: int

    @property
    def size_class(self) -> int:
        """The size class; runs within a factor of `MERGE_AT` of each other share one."""
        return len(self.key).bit_length() // (MERGE_AT.bit_length() - 1)


class SortedRuns:
    """A set of runs. Rows have a column `key` (uint64) and a time column that they expire by."""

    def __init__(self, *, expire_by: str, retention: int) -> None:
        """Keep a row until the watermark passes its `expire_by` column plus `retention` (us)."""
        self._runs: list[SortedRun] = []
        self._expire_by = expire_by
        self._retention = retention

    def __iter__(self) -> Iterator[SortedRun]:
        """Yield the runs, in no particular order."""
        return iter(self._runs)

    def __len__(self) -> int:
        """Count the rows."""
        return sum(len(run.key) for run in self._runs)

    @property
    def nbytes(self) -> int:
        """The size of all columns in bytes, dictionaries included."""
        return sum(run.rows.nbytes for run in self._runs)

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The runs as a snapshot stores them."""
        return [run.rows for run in self._runs]

    def restore(self, batches: list[pa.RecordBatch]) -> None:
        """Take the runs of a snapshot."""
        self._runs += [self._run(rows) for rows in batches]

    def insert(self, rows: pa.RecordBatch, *, watermark: int) -> None:
        """Add rows already sorted by `key`, then merge every size class that is full."""
        if rows.num_rows:
            self._runs.append(self._run(rows))
        while full := self._full_class():
            self._runs = [run for run in self._runs if run not in full]
            self._runs += self._merge(full, watermark)

    def expire(self, watermark: int) -> None:
        """Drop the runs in which every row has expired at this watermark."""
        self._runs = [run for run in self._runs if run.latest + self._retention > watermark]

    def _run(self, rows: pa.RecordBatch) -> SortedRun:
        return SortedRun(values(rows, "key"), rows, int(self._times(rows).max()))

    def _times(self, rows: pa.RecordBatch) -> Ints:
        return values(rows, self._expire_by)

    def _full_class(self) -> list[SortedRun]:
        newest = self._runs[-1].size_class if self._runs else -1
        small = (run for run in self._runs if len(run.key) < RUN_ROWS)
        same = [run for run in small if run.size_class == newest]
        return same if len(same) >= MERGE_AT else []

    def _merge(self, runs: list[SortedRun], watermark: int) -> list[SortedRun]:
        rows = concat(run.rows for run in runs)
        rows = keep(rows, self._times(rows) + self._retention > watermark)
        if rows.num_rows == 0:
            return []
        rows = pick(rows, np.argsort(values(rows, "key")))
        return [self._run(without_stale_names(rows))]
