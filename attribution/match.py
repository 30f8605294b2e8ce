"""MATCH: which records a conversion may be credited to, found through one key group's match keys.

Values in, values out: no engine, no clock. Records are indexed as they arrive; a conversion's keys
wait until the watermark has passed `received_at + settle_delay` and are then looked up at once; in
a live run they are also looked up as soon as it has passed `received_at`, for a provisional answer.

Clicks (and whatever was matched by a click id) live longer than views, so they are kept apart:
each of the two indexes has one window per event type and one retention.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columns import Hashes, Ints, Mask, concat, expand, pick, values
from attribution.frames import START
from attribution.latest_pairs import latest_pairs
from attribution.policy import Policy
from attribution.runs import Run, Runs
from attribution.vocabulary import EVENT_TYPES, KIND_CODES
from attribution.waiting import Waiting

_IP_UA: Final = KIND_CODES["ip_ua"]

# A run is sorted by one word: 38 bits of the key's hash, then 26 bits of the record's time in
# units of 2**24 us (17 s) since 2000, which last until 2035. So one binary search finds the records
# of a key within a window. Times outside that range share its ends, and hashes may collide: both
# only let more rows through to the exact comparison, never fewer.
_TIME_BITS: Final = 26
_UNIT_BITS: Final = 24
_ORIGIN: Final = 946_684_800_000_000 >> _UNIT_BITS

PAIRS_MAX: Final = 2_000_000
"""Pairs of conversion key and record compared at once: bounds the memory of a lookup (~200 MB)."""

RECORD = (
    "key_high",
    "key_low",
    "kind",
    "time",
    "received_at",
    "is_click",
    "impression_id",
    "source_partition",
    "source_offset",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
)
"""What is kept of a record per match key, besides the sort key `key`."""
FOUND = RECORD[2:]


def sort_key(high: Hashes, time: Ints) -> Hashes:
    """Give the word that runs are sorted by: first the key, then the time."""
    unit = np.clip((time >> _UNIT_BITS) - _ORIGIN, 0, (1 << _TIME_BITS) - 1).astype(np.uint64)
    return (high >> _TIME_BITS << _TIME_BITS) | unit


@dataclass(frozen=True, slots=True)
class _Index:
    """Records that share a window (us, by event type code)."""

    runs: Runs
    windows: Ints


@dataclass(frozen=True, slots=True)
class Answers:
    """What was found, a row per conversion key and eligible record; None where there was nothing.

    Columns: the conversion id, `FOUND` and `limited` (whether that key had more than
    `max_candidates` eligible records).
    """

    final: pa.RecordBatch | None
    provisional: pa.RecordBatch | None


class Match:
    """The state of one key group: its records by match key, and the conversion keys that wait."""

    def __init__(self, policy: Policy, *, provisional: bool = False) -> None:
        """Take windows, settle delay and limit from the policy."""
        self._policy = policy
        self._waiting = Waiting(delay=policy.settle_delay)
        self._new = Waiting()
        self._provisional = provisional
        self._answered = START
        clicks = [policy.post_click_of(event_type) for event_type in EVENT_TYPES]
        views = [policy.post_view_of(event_type) for event_type in EVENT_TYPES]
        self.clicks = self._index(clicks)
        self.views = self._index(views)

    def _index(self, windows: list[int]) -> _Index:
        retention = max(windows) + self._policy.max_event_delay + self._policy.settle_delay
        return _Index(Runs(expire_by="time", retention=retention), np.array(windows))

    @property
    def state(self) -> dict[str, list[pa.RecordBatch]]:
        """What a snapshot stores, in immutable batches."""
        return {
            "waiting": self._waiting.batches,
            "new": self._new.batches,
            "clicks": self.clicks.runs.batches,
            "views": self.views.runs.batches,
        }

    def restore(self, state: dict[str, list[pa.RecordBatch]], watermark: int) -> None:
        """Go on from a snapshot, taken when the watermark had been answered for."""
        self._waiting.restore(state["waiting"], watermark)
        self._new.restore(state["new"], watermark)
        self.clicks.runs.restore(state["clicks"])
        self.views.runs.restore(state["views"])
        self._answered = watermark

    def insert(self, records: pa.RecordBatch, *, as_click: bool) -> None:
        """Index records (columns `key` and `RECORD`, sorted by `key`) under their window.

        `as_click` are the clicks and whatever carries a click key.
        """
        index = self.clicks if as_click else self.views
        # Only what the answered queries are done with may go; others may be waiting.
        index.runs.insert(records, watermark=self._answered)

    def receive(self, queries: pa.RecordBatch) -> None:
        """Take the match keys of conversions.

        Columns: key_high, key_low, kind, event_type (code), event_time, received_at,
        conversion_high, conversion_low.
        """
        self._waiting.add(queries)
        if self._provisional:
            self._new.add(queries)

    def advance(self, watermark: int) -> Answers | None:
        """Look up what has settled, and what is new; None when nothing had to be."""
        settled, new = self._waiting.release(watermark), self._new.release(watermark)
        answers = Answers(*(due and self._look_up(due) for due in (settled, new)))
        self._answered = watermark
        self.clicks.runs.expire(watermark)
        self.views.runs.expire(watermark)
        return answers if answers.final or answers.provisional else None

    def _look_up(self, queries: pa.RecordBatch) -> pa.RecordBatch | None:
        # Neighbouring keys are neighbours in a run too: a sorted search is several times faster.
        lookup = _Lookup(pick(queries, np.argsort(values(queries, "key_high"))), self._policy)
        parts = [
            part
            for index in (self.clicks, self.views)
            for run in index.runs
            for part in lookup.eligible(run, index.windows)
        ]
        return lookup.found(parts) if parts else None


class _Lookup:
    """One batch of conversion keys, held against one run after the other."""

    def __init__(self, queries: pa.RecordBatch, policy: Policy) -> None:
        self._queries = queries
        self._policy = policy
        self._column = {name: values(queries, name) for name in queries.schema.names}

    def eligible(self, run: Run, windows: Ints) -> list[tuple[Ints, pa.RecordBatch]]:
        """Give pairs (query position, record) in which the record is eligible; in blocks."""
        column = self._column
        window = windows[column["event_type"]]
        probabilistic = np.minimum(window, self._policy.probabilistic_window)
        window = np.where(column["kind"] == _IP_UA, probabilistic, window)
        high, event_time = column["key_high"], column["event_time"]
        left = np.searchsorted(run.key, sort_key(high, event_time - window + 1), side="left")
        right = np.searchsorted(run.key, sort_key(high, event_time), side="right")
        hit = np.flatnonzero(right > left)
        return [
            pairs
            for block in _blocks(hit, (right - left)[hit])
            if (pairs := self._compare(run, block, left, right, window)) is not None
        ]

    def _compare(
        self, run: Run, block: Ints, left: Ints, right: Ints, window: Ints
    ) -> tuple[Ints, pa.RecordBatch] | None:
        owner, row = expand(left[block], (right - left)[block])
        query = block[owner]
        eligible = self._is_eligible(run.rows, row, query, window[query])
        query, row = query[eligible], row[eligible]
        if len(query) == 0:
            return None
        most = self._policy.max_candidates + 1  # One more, so that the limit shows as exceeded.
        if (right - left)[block].max() > most:
            kept = latest_pairs(query, run.rows, row, most)
            query, row = query[kept], row[kept]
        return query, pick(run.rows.select(FOUND), row)

    def _is_eligible(self, rows: pa.RecordBatch, row: Ints, query: Ints, window: Ints) -> Mask:
        column = self._column
        time, event_time = values(rows, "time")[row], column["event_time"][query]
        settled = column["received_at"][query] + self._policy.settle_delay
        return (
            (values(rows, "key_low")[row] == column["key_low"][query])
            & (values(rows, "key_high")[row] == column["key_high"][query])
            & (time <= event_time)
            & (event_time < time + window)
            & (values(rows, "received_at")[row] < settled)
        )

    def found(self, parts: list[tuple[Ints, pa.RecordBatch]]) -> pa.RecordBatch:
        """Put all pairs together; cut what is beyond the limit per conversion and key."""
        query = np.concatenate([part[0] for part in parts])
        rows = concat(part[1] for part in parts)
        limit = self._policy.max_candidates
        count = np.bincount(query, minlength=self._queries.num_rows)
        limited = count > limit
        if limited.any():
            kept = latest_pairs(query, rows, np.arange(len(query)), limit, ties=False)
            query, rows = query[kept], pick(rows, kept)
        columns = {
            "conversion_high": self._column["conversion_high"][query],
            "conversion_low": self._column["conversion_low"][query],
            "limited": limited[query],
        }
        for name, column in columns.items():
            rows = rows.append_column(name, pa.array(column))
        return rows


def _blocks(hit: Ints, counts: Ints) -> list[Ints]:
    """Cut queries into blocks of at most `PAIRS_MAX` pairs (a single query may have more)."""
    if len(hit) == 0:
        return []
    block = np.cumsum(counts) // PAIRS_MAX
    return np.split(hit, np.flatnonzero(np.diff(block)) + 1)
