"""When the records of a partition count as received: never earlier than those before them.

Knows times only; where they were read, and who promised what, is the decoder's business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from attribution.columnar.columns import Ints, Mask
from attribution.columnar.frames import END, START
from attribution.decoded import Lift, Reading


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
        self, times: Times, *, promised: int = START, lifts: Sequence[Lift] = ()
    ) -> tuple[Ints, Lift | None]:
        """Give the effective `received_at` of the next lines, and move the maximum on.

        Nothing is to arrive below `promised` any more: records that would are lifted to it. `lifts`
        are those that an earlier reading of these lines made, and that are made again.
        """
        effective, lift = self._running(times, lifts), None
        below = np.flatnonzero(times.is_record & (effective < promised))
        if len(below):
            self.raise_to(promised)
            effective = self._running(times, lifts)
            lift = Lift(int(times.offsets[below[0]]), int(times.offsets[below[-1]]), promised)
        self.maximum = int(effective[-1]) if len(effective) else self.maximum
        return effective, lift

    def _running(self, times: Times, lifts: Sequence[Lift]) -> Ints:
        """Give each line the largest `received_at` up to it."""
        arrived = times.arrived.copy()
        # The first record of each lift arrives no earlier than it says; the others follow it.
        first = np.searchsorted(times.offsets, [lift.first_offset for lift in lifts])
        np.maximum.at(arrived, first, [lift.received_at for lift in lifts])
        if self.maximum == START:
            known = np.flatnonzero((arrived != START) | (times.stand_in != START))
            if len(known) and arrived[known[0]] == START:
                arrived[known[0]] = times.stand_in[known[0]]
        return np.maximum.accumulate(np.r_[self.maximum, arrived])[1:]


@dataclass(frozen=True, slots=True)
class Readings:
    """What a live run noted of one partition, in the order of offsets; no two overlap."""

    first: Ints
    last: Ints
    read_at: Ints

    @classmethod
    def of(cls, noted: Iterable[Reading]) -> Self:
        """Take what was noted, in order."""
        rows = [(each.first_offset, each.last_offset, each.read_at) for each in noted]
        first, last, read_at = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(first, last, read_at)

    def read_at_of(self, offsets: Ints) -> Ints:
        """Give when the records at some offsets were read; END where that was not noted."""
        if not len(self.first):
            return np.full(len(offsets), END)
        at = np.searchsorted(self.first, offsets, side="right") - 1
        is_noted = (at >= 0) & (offsets <= self.last[at])
        return np.where(is_noted, self.read_at[at], END)


NONE: Final = Readings.of(())


def reading_of(is_ahead: Mask, offsets: Ints, read_at: int) -> Reading | None:
    """Note the records that are ahead of their reading, if any are."""
    ahead = offsets[is_ahead]
    return Reading(int(ahead[0]), int(ahead[-1]), read_at) if len(ahead) else None
