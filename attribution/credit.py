"""CREDIT: which touchpoints earn what share of a conversion.

Pure functions of their input: no engine, no clock. A conversion waits until the watermark shows
that every match group has returned its results; then its eligible records are merged into
touchpoints, ranked and credited. A live run does this twice: provisionally when the conversion
arrives, and finally once it has settled.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Hashes, Ints, concat, keep, values
from attribution.columnar.waiting import Waiting
from attribution.paths import Touchpoints, merge
from attribution.policy import Policy
from attribution.rows import conversion_rows, credit_rows


@dataclass(frozen=True, slots=True)
class Credited:
    """Result rows: one per conversion, and one per conversion and touchpoint (None if none)."""

    conversions: pa.RecordBatch
    credits: pa.RecordBatch | None


@dataclass(frozen=True, slots=True)
class Decided:
    """The final results of settled conversions and provisional ones of new conversions, if any."""

    final: Credited | None
    provisional: Credited | None


class Credit:
    """The state of one key group: waiting conversions, and the records found for them."""

    def __init__(self, policy: Policy, *, provisional: bool = False) -> None:
        """Start empty; the policy sets delay, models and limits."""
        self._settled = _Stage(policy, delay=policy.settle_delay)
        self._new = _Stage(policy, delay=0)
        self._provisional = provisional

    def __len__(self) -> int:
        """Count the conversions that are not final."""
        return len(self._settled.waiting)

    @property
    def state(self) -> dict[str, list[pa.RecordBatch]]:
        """What a snapshot stores, in immutable batches."""
        return {
            "settled": self._settled.waiting.batches,
            "settled_found": self._settled.found,
            "new": self._new.waiting.batches,
            "new_found": self._new.found,
        }

    def restore(self, state: dict[str, list[pa.RecordBatch]], watermark: int) -> None:
        """Restore a snapshot, taken when everything below the watermark had been decided."""
        self._settled.restore(state["settled"], state["settled_found"], watermark)
        self._new.restore(state["new"], state["new_found"], watermark)

    def receive(self, conversions: pa.RecordBatch) -> None:
        """Add first copies, as DEDUP released them."""
        self._settled.waiting.add(conversions)
        if self._provisional:
            self._new.waiting.add(conversions)

    def gather(self, found: pa.RecordBatch, *, is_final: bool) -> None:
        """Add the records that a match group found (`match.Found`)."""
        (self._settled if is_final else self._new).found.append(found)

    def advance(self, watermark: int) -> Decided | None:
        """Decide the conversions that the watermark has passed; None if there are none."""
        decided = Decided(self._settled.advance(watermark), self._new.advance(watermark))
        return decided if decided.final or decided.provisional else None


class _Stage:
    """Conversions that are decided a fixed delay after their arrival."""

    def __init__(self, policy: Policy, *, delay: int) -> None:
        self._policy = policy
        self.waiting = Waiting(delay=delay)
        self.found: list[pa.RecordBatch] = []

    def restore(
        self, waiting: list[pa.RecordBatch], found: list[pa.RecordBatch], watermark: int
    ) -> None:
        self.waiting.restore(waiting, watermark)
        self.found = found

    def advance(self, watermark: int) -> Credited | None:
        due = self.waiting.release(watermark)
        if due is None:
            return None
        touchpoints = self._touchpoints(due)
        return Credited(
            conversions=conversion_rows(due, touchpoints, self._policy),
            credits=None if touchpoints is None else credit_rows(due, touchpoints, self._policy),
        )

    def _touchpoints(self, due: pa.RecordBatch) -> Touchpoints | None:
        if not self.found:
            return None
        found = concat(self.found)
        owner = _position_of(found, due)
        mine = owner >= 0
        self.found = [] if mine.all() else [keep(found, ~mine)]
        return merge(keep(found, mine), owner[mine], self._policy) if mine.any() else None


def _position_of(found: pa.RecordBatch, due: pa.RecordBatch) -> Ints:
    """Return the row of `due` that each found row belongs to; -1 if its conversion is not due."""
    known = _Ids(due)
    order = np.argsort(known.word)
    wanted = _Ids(found)
    at = np.searchsorted(known.word[order], wanted.word)
    at = order[np.minimum(at, len(order) - 1)]
    return np.where((known.high[at] == wanted.high) & (known.low[at] == wanted.low), at, -1)


class _Ids:
    """Conversion ids of a batch. One event key may have several, so `word` mixes both halves."""

    def __init__(self, rows: pa.RecordBatch) -> None:
        self.high: Hashes = values(rows, "conversion_high")
        self.low: Hashes = values(rows, "conversion_low")
        self.word = self.high ^ self.low
