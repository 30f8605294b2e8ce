"""Keeps the lanes of a run together in arrival time while they work off a backlog.

What one partition is ahead of another has to wait in memory for it. No result depends on this.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from attribution.columnar.columns import Ints
from attribution.columnar.frames import END

SLACK: Final = 24 * 3_600_000_000
"""How far (us of arrival time) a partition may be ahead of the slowest: little beside the weeks
that the state holds, much beside the strides in which a small partition moves; with less of it, all
would wait for each other in turn."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How far the slowest partition of each lane is: END where none has a backlog."""

    lowest: Ints
    slack: int = SLACK

    @classmethod
    def of(cls, lanes: int, *, slack: int = SLACK) -> Self:
        """Align the lanes of this process."""
        return cls(np.full(lanes, END), slack)

    @classmethod
    def through(cls, path: Path, lanes: int, *, slack: int = SLACK) -> Self:
        """Align the lanes of all processes of a run through a file, made where there is none.

        What a last run left there counts until each lane speaks, soon after it has begun.
        """
        with path.open("ab") as file:
            file.truncate(lanes * np.int64().nbytes)
        return cls(np.memmap(path, dtype=np.int64, mode="r+", shape=(lanes,)), slack)

    def note(self, lane: int, lowest: int) -> None:
        """Note the lowest watermark of a lane's partitions that have more to read; END without."""
        self.lowest[lane] = lowest

    @property
    def limit(self) -> int:
        """The watermark beyond which a partition has to wait."""
        lowest = int(self.lowest.min())
        return END if lowest == END else lowest + self.slack
