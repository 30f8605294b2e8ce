"""Rows that DEDUP, MATCH and CREDIT hold back until the watermark has passed them.

Rows arrive roughly in the order in which they are released, so each batch stays a part of its own:
it is sorted when its first row is due, and after that only sliced. Parts are immutable, so a
snapshot writes each of them once.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import concat, pick, values
from attribution.columnar.frames import START

MERGE_AT: Final = 8
"""Parts of one level before they are merged into one of the next level. A row is copied once per
level, and the number of parts stays small whatever their sizes."""

PART_ROWS: Final = 1 << 14
"""A part with this many rows is not merged."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows, the first `start` already released, with the least and largest `received_at`."""

    rows: pa.RecordBatch
    start: int
    earliest: int
    latest: int
    level: int

    @classmethod
    def of(cls, rows: pa.RecordBatch, level: int = 0) -> "_Part":
        times = values(rows, "received_at")
        return cls(rows, 0, int(times.min()), int(times.max()), level)

    @property
    def rest(self) -> pa.RecordBatch:
        return self.rows.slice(self.start)

    @property
    def is_small(self) -> bool:
        return self.rows.num_rows - self.start < PART_ROWS

    def cut(self, bound: int) -> tuple[pa.RecordBatch, "_Part"]:
        """Split off the rows below a bound; some rows, but not all, must lie below it."""
        rows, start = self.rows, self.start
        times = values(rows, "received_at")
        if (times[1:] < times[:-1]).any():
            rows = pick(rows, np.argsort(times, kind="stable"))
            times = values(rows, "received_at")
        end = int(np.searchsorted(times, bound))
        rest = replace(self, rows=rows, start=end, earliest=int(times[end]))
        return rows.slice(start, end - start), rest


class Waiting:
    """Rows that wait until the watermark has passed their `received_at` plus a delay."""

    def __init__(self, *, delay: int = 0) -> None:
        """Start empty; `delay` in microseconds."""
        self._parts: list[_Part] = []
        self._delay = delay

    def __len__(self) -> int:
        """Count the rows that wait."""
        return sum(part.rows.num_rows - part.start for part in self._parts)

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The parts as a snapshot stores them; the watermark determines which rows have left."""
        return [part.rows for part in self._parts]

    def restore(self, batches: list[pa.RecordBatch], watermark: int) -> None:
        """Restore the rows of a snapshot that had not been released at the watermark."""
        bound = self._bound(watermark)
        parts = [_Part.of(rows) for rows in batches]
        parts = [part if part.earliest >= bound else part.cut(bound)[1] for part in parts]
        self._parts = [part for part in parts if not part.is_small]
        # Levels are not stored, so small parts would never be merged: merge them here.
        if small := [part.rest for part in parts if part.is_small]:
            self._parts.append(_Part.of(concat(small)))

    def add(self, rows: pa.RecordBatch) -> None:
        """Hold back rows; all have the same schema."""
        if rows.num_rows:
            self._parts.append(_Part.of(rows))
        while full := self._full_level():
            merged = _Part.of(concat(part.rest for part in full), full[0].level + 1)
            self._parts[-MERGE_AT:] = [merged]

    def _full_level(self) -> list[_Part]:
        last = self._parts[-MERGE_AT:]
        alike = all(part.is_small and part.level == last[-1].level for part in last)
        return last if alike and len(last) == MERGE_AT else []

    def release(self, watermark: int) -> pa.RecordBatch | None:
        """Return the rows that lie strictly below the watermark; None if there are none."""
        bound = self._bound(watermark)
        due, waiting = [], []
        for part in self._parts:
            if part.latest < bound:
                due.append(part.rest)
            elif part.earliest < bound:
                rows, rest = part.cut(bound)
                due.append(rows)
                waiting.append(rest)
            else:
                waiting.append(part)
        self._parts = waiting
        return concat(due) if due else None

    def _bound(self, watermark: int) -> int:
        return max(watermark - self._delay, START)
