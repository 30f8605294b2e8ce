"""Keeps the lanes of a run close together in arrival time while they work off a backlog.

Rows of a partition that is ahead wait in memory for the slower ones. The alignment bounds that
memory; no result depends on it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from attribution.columnar.columns import Ints
from attribution.columnar.frames import END

SLACK: Final = 24 * 3_600_000_000
"""How far (us of arrival time) a partition may be ahead of the slowest: little compared with the
weeks that the state holds, much compared with the steps in which a small partition advances. With
less slack, all would wait for each other in turn."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """The watermark of the slowest partition of each lane; END for a lane without a backlog."""

    lowest: Ints
    slack: int = SLACK

    @classmethod
    def of(cls, lanes: int, *, slack: int = SLACK) -> Self:
        """Align the lanes of this process."""
        return cls(np.full(lanes, END), slack)

    @classmethod
    def through(cls, path: Path, lanes: int, *, slack: int = SLACK) -> Self:
        """Align the lanes of all processes of a run through a file, created if missing.

        Values of the previous run count until each lane has written its own, soon after the start.
        """
        with path.open("ab") as file:
            file.truncate(lanes * np.int64().nbytes)
        return cls(np.memmap(path, dtype=np.int64, mode="r+", shape=(lanes,)), slack)

    def note(self, lane: int, lowest: int) -> None:
        """Record the lowest watermark among a lane's partitions with a backlog; END if none."""
        self.lowest[lane] = lowest

    @property
    def limit(self) -> int:
        """The watermark beyond which a partition has to wait."""
        lowest = int(self.lowest.min())
        return END if lowest == END else lowest + self.slack
