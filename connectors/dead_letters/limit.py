"""The limit on refused records at which the job stops, so that a bad deploy does not drain a topic.

A sender's mistakes cause single refusals. If most records of a partition are refused, a new version
of the sender, or of this job, is broken, and all the dead letters would have to be replayed.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from attribution.columnar.columns import Ints, Mask
from connectors.errors import OperatorError

WINDOW: Final = 1_000
"""Records over which the ratio is computed: some seconds of a busy partition."""

RATIO_MAX: Final = 0.5
"""Largest share of refused records: more than half is not a sender's occasional mistake."""

CONSECUTIVE_MAX: Final = 1_000
"""Largest number of records refused in a row."""


class Refusals(msgspec.Struct, frozen=True, array_like=True):
    """The outcomes of a partition's latest `records`.

    `flags` has a bit for each, set if it was refused; the last `streak` were refused in a row.
    """

    records: int
    flags: bytes
    streak: int


LimitState = dict[str, Refusals]
"""By partition."""


class TooManyDeadLettersError(OperatorError):
    """Too many records of a partition are refused; the message says how many and what to do."""


@dataclass(frozen=True, slots=True)
class DeadLetterLimit:
    """How many of a partition's records may be refused as a whole.

    At most a share of `max_ratio` of any `window` successive records, and at most `max_consecutive`
    in a row. A ratio of 1, or a large number, disables the respective limit.
    """

    window: int = WINDOW
    max_ratio: float = RATIO_MAX
    max_consecutive: int = CONSECUTIVE_MAX

    def watch(self, kept: LimitState) -> "DeadLetterWatch":
        """Return a watch that continues from the saved state of an earlier one, initially empty."""
        return DeadLetterWatch(self, kept)


class DeadLetterWatch:
    """Counts refusals among the latest records of each partition of one lane."""

    def __init__(self, limit: DeadLetterLimit, kept: LimitState) -> None:
        """Continue with the counts from before a restart, which must not reset the limit."""
        self._limit = limit
        self._latest = {name: _unpacked(each.flags, each.records) for name, each in kept.items()}
        self._streak = {name: each.streak for name, each in kept.items()}

    @property
    def kept(self) -> LimitState:
        """The state from which the next start continues."""
        return {
            name: Refusals(len(latest), np.packbits(latest).tobytes(), self._streak[name])
            for name, latest in self._latest.items()
        }

    def count(self, partition: str, refused: Mask, code: str) -> None:
        """Count a partition's next records; `code` is that of the last refused one.

        Raises TooManyDeadLettersError; then the caller must discard all results of these records.
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
        """Return the longest streak that includes these records, and save the one at the end."""
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
    """Return the largest number of flags in any `window` neighbours; 0 for fewer than `window`."""
    sums = np.cumsum(np.r_[0, flags])
    return int((sums[window:] - sums[:-window]).max(initial=0))


def _unpacked(flags: bytes, count: int) -> Mask:
    return np.unpackbits(np.frombuffer(flags, dtype=np.uint8), count=count).astype(bool)
