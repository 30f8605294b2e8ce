"""When the records of a partition count as received: never earlier than those before them.

Knows times only; where they were read, and who promised what, is the decoder's business.
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
    """What the lines that come next say of themselves, as in `chunks.Chunk`, and their offsets."""

    arrived: Ints
    stand_in: Ints
    is_record: Mask
    offsets: Ints


@dataclass(slots=True)
class Arrivals:
    """The order of arrival in one partition; `maximum` is the latest so far."""

    maximum: int = START

    def raise_to(self, received_at: int) -> None:
        """Count what follows as received at this instant or later."""
        self.maximum = max(self.maximum, received_at)

    def follow(
        self, times: Times, *, promised: int = START, late_records: Sequence[LateRecords] = ()
    ) -> tuple[Ints, LateRecords | None]:
        """Return the effective `received_at` of the next lines, and move the maximum on.

        Records that would arrive below the watermark `promised` count as received then. Those that
        did when these lines were first read are `late_records`: they count so again.
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
        """Return each line the largest `received_at` up to it."""
        arrived = times.arrived.copy()
        # The first record of each late arrives no earlier than it says; the others follow it.
        first = np.searchsorted(times.offsets, [late.first_offset for late in late_records])
        np.maximum.at(arrived, first, [late.received_at for late in late_records])
        if self.maximum == START:
            known = np.flatnonzero((arrived != START) | (times.stand_in != START))
            if len(known) and arrived[known[0]] == START:
                arrived[known[0]] = times.stand_in[known[0]]
        return np.maximum.accumulate(np.r_[self.maximum, arrived])[1:]


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """What a live run noted of one partition, in the order of offsets; no two overlap."""

    first: Ints
    last: Ints
    read_at: Ints

    @classmethod
    def of(cls, noted: Iterable[FutureRecords]) -> Self:
        """Take what was noted, in order."""
        rows = [(each.first_offset, each.last_offset, each.read_at) for each in noted]
        first, last, read_at = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(first, last, read_at)

    def read_at_of(self, offsets: Ints) -> Ints:
        """Return when the records at some offsets were read; END where that was not noted."""
        if not len(self.first):
            return np.full(len(offsets), END)
        at = np.searchsorted(self.first, offsets, side="right") - 1
        is_noted = (at >= 0) & (offsets <= self.last[at])
        return np.where(is_noted, self.read_at[at], END)


NONE: Final = ReadTimes.of(())


def future_records_of(is_ahead: Mask, offsets: Ints, read_at: int) -> FutureRecords | None:
    """Note the records that are ahead of their reading, if any are."""
    ahead = offsets[is_ahead]
    return FutureRecords(int(ahead[0]), int(ahead[-1]), read_at) if len(ahead) else None
