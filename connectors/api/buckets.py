"""Token buckets: how much each of many senders may still send, sustained and at once."""

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Final, Generic, TypeVar

BUCKETS_MAX: Final = 10_000
"""Senders whose bucket is remembered; beyond that, all begin again with full ones."""

Sender = TypeVar("Sender", bound=Hashable)


class Buckets(Generic[Sender]):
    """One bucket per sender: it holds `burst` tokens at most, and gains `per_second`."""

    def __init__(
        self, burst: float, per_second: float, clock: Callable[[], float] = monotonic
    ) -> None:
        """Begin with full buckets."""
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._levels: dict[Sender, tuple[float, float]] = {}

    def left(self, sender: Sender) -> float:
        """Return how many tokens a sender has; less than none after a debt."""
        now = self._clock()
        level, at = self._levels.get(sender, (self._burst, now))
        return min(self._burst, level + (now - at) * self._per_second)

    def spend(self, sender: Sender, count: float = 1) -> None:
        """Take tokens from the bucket of a sender."""
        left = self.left(sender)
        if len(self._levels) >= BUCKETS_MAX:
            self._levels.clear()
        self._levels[sender] = (left - count, self._clock())
