"""Rows whose turn has not come: what DEDUP, MATCH and CREDIT hold back for the watermark.

Rows arrive about in the order in which they leave, so they wait in parts, each as it came: a part
is looked at when its first row is due, sorted then, and from then on only cut. Parts are immutable,
so that a snapshot writes each of them once.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import concat, pick, values
from attribution.columnar.frames import START

MERGE_AT: Final = 8
"""Parts of one level before they are put together, to one of the next level: so a row is moved once
per level, and parts stay few, of whatever sizes they come."""

PART_ROWS: Final = 1 << 14
"""Rows from which a part is large enough to stay as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of which the first `start` have left, with the least and largest `received_at`."""

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
        """Split off the rows below a bound, of which there are some and not all."""
        rows, start = self.rows, self.start
        times = values(rows, "received_at")
        if (times[1:] < times[:-1]).any():
            rows = pick(rows, np.argsort(times, kind="stable"))
            times = values(rows, "received_at")
        end = int(np.searchsorted(times, bound))
        rest = replace(self, rows=rows, start=end, earliest=int(times[end]))
        return rows.slice(start, end - start), rest


class Waiting:
    """Rows that wait until nothing can arrive any more below their `received_at` plus a delay."""

    def __init__(self, *, delay: int = 0) -> None:
        """Start empty; `delay` in microseconds."""
        self._parts: list[_Part] = []
        self._delay = delay

    def __len__(self) -> int:
        """Count the rows that wait."""
        return sum(part.rows.num_rows - part.start for part in self._parts)

    @property
    def batches(self) -> list[pa.RecordBatch]:
        """The parts as a snapshot stores them; what has left of one follows from the watermark."""
        return [part.rows for part in self._parts]

    def restore(self, batches: list[pa.RecordBatch], watermark: int) -> None:
        """Let the rows of a snapshot wait that had not left at the watermark."""
        bound = self._bound(watermark)
        parts = [_Part.of(rows) for rows in batches]
        parts = [part if part.earliest >= bound else part.cut(bound)[1] for part in parts]
        self._parts = [part for part in parts if not part.is_small]
        # Their levels are forgotten, so that they would be passed over from now on.
        if small := [part.rest for part in parts if part.is_small]:
            self._parts.append(_Part.of(concat(small)))

    def add(self, rows: pa.RecordBatch) -> None:
        """Let rows of one schema wait."""
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
        """Return the rows whose time lies strictly below the watermark; None without any."""
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
