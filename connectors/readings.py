"""When records were read that are ahead of the clock, so that they are decided alike again.

An event is judged by the registry of its arrival, but no later than that of its reading; and what
says that it arrived long after it was read is not believed. A live run notes when it read such
records; a later reading of them goes by that instant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from attribution.columns import Ints, Mask
from attribution.decoded import Reading
from attribution.frames import END


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
