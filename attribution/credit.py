"""CREDIT: of everything the match groups found for a conversion, who earns what.

Values in, values out: no engine, no clock. A conversion waits until the watermark says that every
match group has answered; then its eligible records are merged into touchpoints, ranked and paid.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.columns import Hashes, Ints, concat, keep, values
from attribution.paths import Touchpoints, merge
from attribution.policy import Policy
from attribution.results import conversion_rows, credit_rows
from attribution.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Credited:
    """Final rows: one per conversion, and one per conversion and touchpoint (None without any)."""

    conversions: pa.RecordBatch
    credits: pa.RecordBatch | None


class Credit:
    """The state of one key group: conversions that wait, and what was found for them."""

    def __init__(self, policy: Policy) -> None:
        """Take delay, models and limits from the policy."""
        self._policy = policy
        self._waiting = Waiting(delay=policy.settle_delay)
        self._found: list[pa.RecordBatch] = []

    def receive(self, conversions: pa.RecordBatch) -> None:
        """Take first copies, as DEDUP released them."""
        self._waiting.add(conversions)

    def gather(self, found: pa.RecordBatch) -> None:
        """Take what a match group found (the rows of `Match.advance`)."""
        self._found.append(found)

    def advance(self, watermark: int) -> Credited | None:
        """Decide the conversions for which every group has answered; None when there are none."""
        due = self._waiting.release(watermark)
        if due is None:
            return None
        touchpoints = self._touchpoints(due)
        return Credited(
            conversions=conversion_rows(due, touchpoints, self._policy),
            credits=None if touchpoints is None else credit_rows(due, touchpoints, self._policy),
        )

    def _touchpoints(self, due: pa.RecordBatch) -> Touchpoints | None:
        if not self._found:
            return None
        found = concat(self._found)
        owner = _position_of(found, due)
        mine = owner >= 0
        self._found = [] if mine.all() else [keep(found, ~mine)]
        return merge(keep(found, mine), owner[mine], self._policy) if mine.any() else None


def _position_of(found: pa.RecordBatch, due: pa.RecordBatch) -> Ints:
    """Give the row of `due` that each found row belongs to; -1 where that is not due yet."""
    known = _Ids(due)
    order = np.argsort(known.word)
    wanted = _Ids(found)
    at = np.searchsorted(known.word[order], wanted.word)
    at = order[np.minimum(at, len(order) - 1)]
    return np.where((known.high[at] == wanted.high) & (known.low[at] == wanted.low), at, -1)


class _Ids:
    """Conversion ids of a batch. One event key may have several, so the word mixes both halves."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.high: Hashes = values(rows, "conversion_high")
        self.low: Hashes = values(rows, "conversion_low")
        self.word = self.high ^ self.low
