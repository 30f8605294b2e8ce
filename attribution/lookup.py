"""Finds the eligible records for a batch of conversion keys: binary search, then exact comparison.

A conversion key is one match key of one conversion.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import (
    Array,
    Hashes,
    Ints,
    Mask,
    concat,
    expand,
    pick,
    ranks,
    values,
)
from attribution.columnar.runs import SortedRun
from attribution.policy import Policy
from attribution.vocabulary import KIND_CODES

_IP_UA: Final = KIND_CODES["ip_ua"]

# A run is sorted by one word: 38 bits of the key's hash, then 26 bits of the record's time in
# units of 2**24 us (17 s) since 2000, which last until 2035. So one binary search finds the records
# of a key within a window. Times outside that range are clipped, and hashes may collide: both only
# let more rows through to the exact comparison, never fewer.
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
"""The columns stored of a record per match key, besides the sort key `key`."""

FOUND = RECORD[2:]


def sort_key(high: Hashes, time: Ints) -> Hashes:
    """Return the word that runs are sorted by: first the key, then the time."""
    unit = np.clip((time >> _UNIT_BITS) - _ORIGIN, 0, (1 << _TIME_BITS) - 1).astype(np.uint64)
    return (high >> _TIME_BITS << _TIME_BITS) | unit


class Lookup:
    """One batch of conversion keys, looked up in one run after another."""

    def __init__(self, queries: pa.RecordBatch, policy: Policy) -> None:
        self._queries = queries
        self._policy = policy
        self._column = {name: values(queries, name) for name in queries.schema.names}

    def eligible(self, run: SortedRun, windows: Ints) -> list[tuple[Ints, pa.RecordBatch]]:
        """Return the pairs (query position, eligible record) of a run, in blocks."""
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
        self, run: SortedRun, block: Ints, left: Ints, right: Ints, window: Ints
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
        """Concatenate all pairs; keep at most `max_candidates`, the latest, per conversion key."""
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
    """Split queries into blocks of about `PAIRS_MAX` pairs (a single query may have more)."""
    if len(hit) == 0:
        return []
    block = np.cumsum(counts) // PAIRS_MAX
    return np.split(hit, np.flatnonzero(np.diff(block)) + 1)


def latest_pairs(
    query: Ints, rows: pa.RecordBatch, row: Ints, limit: int, *, ties: bool = True
) -> Array:
    """Return the positions of the `limit` latest pairs of each query, by (time, impression_id).

    With `ties`, pairs as late as the last of them are returned too: which of these count is known
    only when all runs have been searched.
    """
    time = values(rows, "time")[row]
    crowded = np.flatnonzero(np.bincount(query)[query] > limit)
    if ties or len(crowded) == 0:
        order = crowded[np.lexsort((-time[crowded], query[crowded]))]
    else:
        order = crowded[total_order(query[crowded], rows, row[crowded])]
    nth = np.arange(len(order)) - np.searchsorted(query[order], query[order], side="left")
    stays = nth < limit
    if ties:
        last = time[order[nth == limit - 1]]
        stays |= time[order] == np.repeat(last, np.unique(query[order], return_counts=True)[1])
    kept = np.ones(len(query), dtype=bool)
    kept[order[~stays]] = False
    return np.flatnonzero(kept)


def total_order(query: Ints, rows: pa.RecordBatch, row: Ints) -> Ints:
    """Order pairs by query, then latest first by (time, impression_id, arrival)."""
    picked = pick(rows, row)
    name = pc.rank(picked["impression_id"], tiebreaker="dense").to_numpy().astype(np.int64)
    latest_first = (
        values(picked, "source_offset"),
        ranks(picked["source_partition"]),
        values(picked, "received_at"),
        name,
        values(picked, "time"),
    )
    return np.lexsort((*(-column for column in latest_first), query))
