"""When so much is refused that the job had better stop: a bad deploy must not drain a topic.

A sender's mistake refuses a record here and there. Where most of a partition is refused, it is the
sender's new version, or ours, that is broken, and what is set aside would have to be replayed.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from attribution.columnar.columns import Ints, Mask
from connectors.errors import OperatorError

WINDOW: Final = 1_000
"""Records that a ratio is taken over: some seconds of a busy partition."""

RATIO_MAX: Final = 0.5
"""Half refused is no sender's slip any more."""

CONSECUTIVE_MAX: Final = 1_000
"""Refused one after the other."""


class Refusals(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a partition's latest `records`.

    `flags` has a bit for each, set if it was refused; `streak` were refused in a row at last.
    """

    records: int
    flags: bytes
    streak: int


LimitState = dict[str, Refusals]
"""By partition."""


class TooManyDeadLettersError(OperatorError):
    """Too much of a partition is refused as a whole; the message says how much and what to do."""


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """How many of a partition's records may be refused as a whole.

    At most `max_ratio` of any `window` records in a row, and `max_consecutive` without one between
    that is not. A ratio of 1 and a large number switch either off.
    """

    window: int = WINDOW
    max_ratio: float = RATIO_MAX
    max_consecutive: int = CONSECUTIVE_MAX

    def watch(self, kept: LimitState) -> "DeadLetterWatch":
        """Go on counting from what a watch kept, which is nothing at first."""
        return DeadLetterWatch(self, kept)


class DeadLetterWatch:
    """Looks at the latest records of each partition of one lane."""

    def __init__(self, limit: DeadLetterLimit, kept: LimitState) -> None:
        """Remember the records that were looked at before a restart, or each would be let more."""
        self._limit = limit
        self._latest = {name: _unpacked(each.flags, each.records) for name, each in kept.items()}
        self._streak = {name: each.streak for name, each in kept.items()}

    @property
    def kept(self) -> LimitState:
        """What the next start goes on from."""
        return {
            name: Refusals(len(latest), np.packbits(latest).tobytes(), self._streak[name])
            for name, latest in self._latest.items()
        }

    def count(self, partition: str, refused: Mask, code: str) -> None:
        """Count a partition's next records; `code` is why the last of the refused ones was.

        Raises TooManyDeadLettersError; then nothing of these records may count.
        """
        latest = np.r_[self._latest.get(partition, np.empty(0, dtype=bool)), refused]
        most = _most_in_a_row_of(latest, self._limit.window)
        if most > self._limit.max_ratio * self._limit.window:
            raise self._too_many(partition, f"{most} of {self._limit.window} records", code)
        streak = self._longest(partition, refused)
        if streak > self._limit.max_consecutive:
            raise self._too_many(partition, f"{streak} records in a row", code)
        self._latest[partition] = latest[max(len(latest) - self._limit.window + 1, 0) :]

    def _longest(self, partition: str, refused: Mask) -> int:
        """Return the longest streak that these records make, and remember the one at the end."""
        before = self._streak.get(partition, 0)
        good: Ints = np.flatnonzero(~refused)
        ends = np.r_[good, len(refused)]
        lengths = np.diff(np.r_[-1 - before, ends]) - 1
        self._streak[partition] = int(lengths[-1])
        return int(lengths.max())

    def _too_many(self, partition: str, much: str, code: str) -> TooManyDeadLettersError:
        limit = self._limit
        return TooManyDeadLettersError(
            f"{partition}: {much} are refused as a whole, the latest with {code}; expected at most "
            f"{limit.max_ratio:.0%} of {limit.window}, and {limit.max_consecutive} in a row. Mend "
            "what sends them, or let them pass: --set kafka.dead_letters.max_ratio=1 --set "
            "kafka.dead_letters.max_consecutive=1000000000"
        )


def _most_in_a_row_of(flags: Mask, window: int) -> int:
    """Return the largest number of flags in any `window` neighbours; 0 while there are fewer."""
    sums = np.cumsum(np.r_[0, flags])
    return int((sums[window:] - sums[:-window]).max(initial=0))


def _unpacked(flags: bytes, count: int) -> Mask:
    return np.unpackbits(np.frombuffer(flags, dtype=np.uint8), count=count).astype(bool)
