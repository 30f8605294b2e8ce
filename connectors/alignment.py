"""Keeps the lanes of a process together in arrival time while they work off a backlog.

What one partition is ahead of another has to wait in memory for it. No result depends on this.
"""

import threading
from typing import Final

from attribution.frames import END

SLACK: Final = 24 * 3_600_000_000
"""How far (us of arrival time) a partition may be ahead of the slowest: little beside the weeks
that the state holds, much beside the strides in which a small partition moves; with less of it, all
would wait for each other in turn."""


class Alignment:
    """How far the slowest partition is, over all lanes of a process."""

    def __init__(self, slack: int = SLACK) -> None:
        """Let partitions be ahead by `slack` microseconds."""
        self._slack = slack
        self._lowest: dict[int, int] = {}
        self._lock = threading.Lock()

    def note(self, lane: int, lowest: int) -> None:
        """Note the lowest watermark of a lane's partitions that have more to read; END without."""
        with self._lock:
            self._lowest[lane] = lowest

    @property
    def limit(self) -> int:
        """The watermark beyond which a partition has to wait."""
        with self._lock:
            lowest = min(self._lowest.values(), default=END)
        return END if lowest == END else lowest + self._slack
