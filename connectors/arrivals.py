"""When the records of a partition count as received: never earlier than those before them.

Knows times only; where they were read, and who promised what, is the decoder's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attribution.columns import Ints, Mask
from attribution.decoded import Lift
from attribution.frames import START


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
