"""What the keyed steps take: frames of rows with their 128-bit keys, split by key group.

A key is two 64-bit hashes. The group is the upper bits of the first one, so rows sorted by that
hash are sorted by group, and a split is a few slices.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columns import Hashes, Ints, pick, values

HASH: Final = pa.uint64()
MATCH_KEYS: Final = pa.list_(pa.struct({"kind": pa.uint8(), "key_high": HASH, "key_low": HASH}))
"""The match keys of one conversion."""

DEAD_LETTERS: Final = "dead_letters"
"""Among the tables of a `Read`: documents refused as a whole, which no database is to have."""


@dataclass(frozen=True, slots=True)
class Read:
    """One chunk as the flow takes it.

    `lane` and `watermark`: who read it, and the promise of all the lane's partitions of `stream`.
    `rows` are for the keyed steps: `unique` (to be counted once), and of impressions `clicks` and
    `views` (a row per match key). `tables` are finished rows, by table; `records` counts documents.
    """

    stream: str
    lane: int
    watermark: int
    rows: dict[str, pa.RecordBatch]
    tables: dict[str, pa.RecordBatch]
    records: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Finished rows by table, for the sink.

    `records` counts the documents read for them; `watermarks` are the readers' promises, by who
    gave them.
    """

    tables: dict[str, pa.RecordBatch]
    records: int = 0
    watermarks: dict[tuple[str, int], int] = field(default_factory=dict)


def group_of(high: Hashes, groups: int) -> Ints:
    """Give the key group of each key: 0 to `groups` - 1."""
    return ((high >> np.uint64(32)) * np.uint64(groups) >> np.uint64(32)).astype(np.int64)


def split(rows: pa.RecordBatch | None, groups: int, *, by: str) -> list[pa.RecordBatch | None]:
    """Cut rows into the slices of each group; None where a group has none."""
    if rows is None or rows.num_rows == 0:
        return [None] * groups
    group = group_of(values(rows, by), groups)
    if (np.diff(group) < 0).any():
        order = np.argsort(group.astype(np.uint16), kind="stable")
        rows, group = pick(rows, order), group[order]
    ends = np.searchsorted(group, np.arange(groups + 1))
    return [
        rows.slice(start, end - start) if end > start else None
        for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    ]
