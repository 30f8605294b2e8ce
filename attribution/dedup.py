"""DEDUP: the first copy of a record to arrive counts; later copies are repeats of it.

Pure functions of their input: no engine, no clock. Rows wait until the watermark has passed them,
so the order of arrival (received_at, partition, offset, index) decides, not the order of reading.
The first copy holds the key while `received_at < first + window`; repeats do not extend the window.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import (
    Array,
    Ints,
    concat,
    expand,
    keep,
    pick,
    ranks,
    starts_of,
    values,
)
from attribution.columnar.frames import START
from attribution.columnar.runs import SortedRuns
from attribution.columnar.waiting import Waiting

_KEY = ("key", "key_low", "received_at")


@dataclass(frozen=True, slots=True)
class Released:
    """The rows that the watermark has passed: first copies and repeats.

    `holders` has, for each repeat, the remembered columns of its first copy.
    """

    firsts: pa.RecordBatch
    repeats: pa.RecordBatch
    holders: pa.RecordBatch


class Dedup:
    """The state of one key group: waiting rows, and the keys held by first copies."""

    def __init__(self, *, window: int, remember: tuple[str, ...] = ()) -> None:
        """Hold a key for `window` microseconds from its first copy's arrival.

        `remember` names the columns of a first copy that its repeats are compared with.
        """
        self._window = window
        self._remembered = [*_KEY, *remember]
        self._waiting = Waiting()
        self.held = SortedRuns(expire_by="received_at", retention=window)

    @property
    def state(self) -> dict[str, list[pa.RecordBatch]]:
        """What a snapshot stores, in immutable batches."""
        return {"waiting": self._waiting.batches, "held": self.held.batches}

    def restore(self, state: dict[str, list[pa.RecordBatch]], watermark: int) -> None:
        """Restore a snapshot, taken when everything below the watermark had been released."""
        self._waiting.restore(state["waiting"], watermark)
        self.held.restore(state["held"])

    def receive(self, rows: pa.RecordBatch) -> None:
        """Add rows: a 128-bit key, partition and offset, and any other columns."""
        self._waiting.add(rows)

    def advance(self, watermark: int) -> Released | None:
        """Release the rows that arrived strictly below the watermark; None if there are none."""
        due = self._waiting.release(watermark)
        if due is None:
            return None
        due = pick(due, np.argsort(values(due, "key")))
        released = _FirstCopies(due, self.held, self._window, self._remembered).release()
        self.held.expire(watermark)
        self.held.insert(released.firsts.select(self._remembered), watermark=watermark)
        return released


class _FirstCopies:
    """Finds, for each of the rows sorted by key, the row that holds its key.

    `of[i] == i` for a first copy; `of[i] == j` for a repeat of row j of the same release;
    `of[i] == -1 - h` for a repeat of row h of `_known`, the first copies of earlier releases.
    """

    def __init__(
        self, rows: pa.RecordBatch, held: SortedRuns, window: int, remembered: list[str]
    ) -> None:
        self._rows = rows
        self._window = window
        self._own = rows.select(remembered)
        self.of = np.arange(rows.num_rows)
        self._known, known_at = _find_held(self._own, held)
        crowd = self._crowd(known_at)
        if len(crowd):
            self._settle(crowd)

    def release(self) -> Released:
        """Split the rows into first copies and repeats."""
        first = self.of == np.arange(len(self.of))
        of = self.of[~first]
        of = np.where(of >= 0, of, self._own.num_rows - 1 - of)
        return Released(
            firsts=keep(self._rows, first),
            repeats=self._rows.filter(pa.array(~first)),
            holders=pick(concat([self._own, self._known]), of),
        )

    def _crowd(self, known_at: Ints) -> Ints:
        """Return the rows that may have another copy; all others are first copies."""
        key = values(self._rows, "key")
        alike = key[1:] == key[:-1]
        meets = np.zeros(len(key), dtype=bool)
        meets[1:] |= alike
        meets[:-1] |= alike
        meets[known_at] = True
        # `known_at` has every row of a held key, not only the first one.
        return np.flatnonzero(meets)

    def _settle(self, crowd: Ints) -> None:
        """Process all keys with several copies at once: one first copy of each key per round."""
        rows = pick(self._rows, crowd)
        order = _arrival_order(rows)
        rows, place = pick(rows, order), crowd[order]
        arrived = values(rows, "received_at")
        owner = _groups(rows)
        holder, until = self._initial_holders(rows, owner)
        open_rows = np.arange(len(place))
        while len(open_rows):
            repeat = arrived[open_rows] < until[owner[open_rows]]
            self.of[place[open_rows[repeat]]] = holder[owner[open_rows[repeat]]]
            open_rows = open_rows[~repeat]
            heads = open_rows[starts_of(owner[open_rows])]
            self.of[place[heads]] = place[heads]
            holder[owner[heads]] = place[heads]
            until[owner[heads]] = arrived[heads] + self._window
            open_rows = np.setdiff1d(open_rows, heads, assume_unique=True)

    def _initial_holders(self, rows: pa.RecordBatch, owner: Array) -> tuple[Ints, Ints]:
        heads = pick(rows, starts_of(owner))
        holder, until = np.full(heads.num_rows, -1), np.full(heads.num_rows, START)
        known = self._known
        mine = _same_key(known, heads)
        ends = values(known, "received_at") + self._window
        # A key may have several holds; the last assignment is the latest one.
        order = np.argsort(ends)
        order = order[mine[order] >= 0]
        holder[mine[order]], until[mine[order]] = -1 - order, ends[order]
        return holder, until


def _find_held(rows: pa.RecordBatch, held: SortedRuns) -> tuple[pa.RecordBatch, Ints]:
    """Return the held rows that share a 64-bit key with one of `rows`, and positions in `rows`."""
    key = values(rows, "key")
    found, at = [rows.slice(0, 0)], []
    for run in held:
        left = np.searchsorted(run.key, key, side="left")
        hits = np.flatnonzero(run.key[np.minimum(left, len(run.key) - 1)] == key)
        if len(hits):
            right = np.searchsorted(run.key, key[hits], side="right")
            _, rows_held = expand(left[hits], right - left[hits])
            found.append(pick(run.rows, np.unique(rows_held)))
            at.append(hits)
    return concat(found), np.concatenate(at) if at else np.empty(0, dtype=np.int64)


def _arrival_order(rows: pa.RecordBatch) -> Ints:
    return np.lexsort(
        (
            values(rows, "source_index"),
            values(rows, "source_offset"),
            ranks(rows["source_partition"]),
            values(rows, "received_at"),
            values(rows, "key_low"),
            values(rows, "key"),
        )
    )


def _same_key(known: pa.RecordBatch, heads: pa.RecordBatch) -> Ints:
    """Return, per known row, the position of the head with the same 128-bit key; -1 if none."""
    both = concat([heads.select(_KEY), known.select(_KEY)])
    order = np.lexsort((values(both, "key_low"), values(both, "key")))
    group = np.empty(both.num_rows, dtype=np.int64)
    group[order] = _groups(pick(both, order))
    head_of = np.full(both.num_rows, -1)
    head_of[group[: heads.num_rows]] = np.arange(heads.num_rows)
    return head_of[group[heads.num_rows :]]


def _groups(rows: pa.RecordBatch) -> Array:
    """Return the number of each row's key, for rows sorted by key."""
    key, low = values(rows, "key"), values(rows, "key_low")
    return np.cumsum(np.r_[False, (key[1:] != key[:-1]) | (low[1:] != low[:-1])])
