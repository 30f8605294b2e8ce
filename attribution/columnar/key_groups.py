"""Key groups: equal ranges of the hash space.

A key is two 64-bit hashes. The upper bits of the first one select the group, so rows sorted by that
hash are sorted by group, and splitting them takes a few slices.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Hashes, Ints, pick, values

HASH: Final = pa.uint64()
MATCH_KEYS: Final = pa.list_(pa.struct({"kind": pa.uint8(), "key_high": HASH, "key_low": HASH}))
"""The match keys of one conversion."""


def group_of(high: Hashes, groups: int) -> Ints:
    """Return the key group of each key: 0 to `groups` - 1."""
    return ((high >> np.uint64(32)) * np.uint64(groups) >> np.uint64(32)).astype(np.int64)


def split(rows: pa.RecordBatch | None, groups: int, *, by: str) -> list[pa.RecordBatch | None]:
    """Split rows into one slice per group; None for a group without rows."""
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
