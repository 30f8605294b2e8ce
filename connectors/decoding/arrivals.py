"""The effective arrival times in a partition: no record counts as received before its predecessors.

Knows only times; the decoder passes them, together with the watermark.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from attribution.columnar.columns import Ints, Mask
from attribution.columnar.frames import END, START
from attribution.decoded import FutureRecords, LateRecords


@dataclass(frozen=True, slots=True)
class Times:
    """The times that the next lines contain, as in `chunk.Chunk`, and their offsets."""

    arrived: Ints
    stand_in: Ints
    is_record: Mask
    offsets: Ints


@dataclass(slots=True)
class Arrivals:
    """The order of arrival in one partition; `maximum` is the latest so far."""

    maximum: int = START

    def raise_to(self, received_at: int) -> None:
        """Let all following records count as received at this instant or later."""
        self.maximum = max(self.maximum, received_at)

    def follow(
        self, times: Times, *, promised: int = START, late_records: Sequence[LateRecords] = ()
    ) -> tuple[Ints, LateRecords | None]:
        """Return the effective `received_at` of the next lines, and advance the maximum.

        Records that arrive below the watermark `promised` are raised to it. `late_records` are
        those that were raised when these lines were first read; they are raised again.
        """
        effective, late = self._running(times, late_records), None
        below = np.flatnonzero(times.is_record & (effective < promised))
        if len(below):
            self.raise_to(promised)
            effective = self._running(times, late_records)
            late = LateRecords(
                int(times.offsets[below[0]]), int(times.offsets[below[-1]]), promised
            )
        self.maximum = int(effective[-1]) if len(effective) else self.maximum
        return effective, late

    def _running(self, times: Times, late_records: Sequence[LateRecords]) -> Ints:
        """Return, for each line, the largest `received_at` up to it."""
        arrived = times.arrived.copy()
        # Raise the first record of each late range; the running maximum raises the others.
        first = np.searchsorted(times.offsets, [late.first_offset for late in late_records])
        np.maximum.at(arrived, first, [late.received_at for late in late_records])
        if self.maximum == START:
            known = np.flatnonzero((arrived != START) | (times.stand_in != START))
            if len(known) and arrived[known[0]] == START:
                arrived[known[0]] = times.stand_in[known[0]]
        return np.maximum.accumulate(np.r_[self.maximum, arrived])[1:]


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """The recorded read times of one partition, as ranges of offsets, ordered and disjoint."""

    first: Ints
    last: Ints
    read_at: Ints

    @classmethod
    def of(cls, noted: Iterable[FutureRecords]) -> Self:
        """Build the ranges from records in the order of offsets."""
        rows = [(each.first_offset, each.last_offset, each.read_at) for each in noted]
        first, last, read_at = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(first, last, read_at)

    def read_at_of(self, offsets: Ints) -> Ints:
        """Return when the records at `offsets` were read; END if that was not recorded."""
        if not len(self.first):
            return np.full(len(offsets), END)
        at = np.searchsorted(self.first, offsets, side="right") - 1
        is_noted = (at >= 0) & (offsets <= self.last[at])
        return np.where(is_noted, self.read_at[at], END)


NONE: Final = ReadTimes.of(())


def future_records_of(is_ahead: Mask, offsets: Ints, read_at: int) -> FutureRecords | None:
    """Return the range of records that were ahead of the clock, and their read time, if any."""
    ahead = offsets[is_ahead]
    return FutureRecords(int(ahead[0]), int(ahead[-1]), read_at) if len(ahead) else None
