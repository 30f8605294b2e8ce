"""The latest records found for each query: which stay where there are more than a limit.

A pair is the position of a query and that of a record that was found for it.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columns import Array, Ints, pick, ranks, values


def latest_pairs(
    query: Ints, rows: pa.RecordBatch, row: Ints, limit: int, *, ties: bool = True
) -> Array:
    """Give the positions of the `limit` latest pairs of each query, by (time, impression_id).

    With `ties`, everything as late as the last of them stays too, since only the whole of the runs
    can tell which of those count.
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
