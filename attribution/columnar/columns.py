"""Conversion between Arrow columns and numpy arrays, without copies where the layout allows it.

All columnar code of the core uses these few functions. They contain no domain knowledge.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

MONEY: Final = pa.decimal128(18, 6)


def values(batch: pa.RecordBatch, name: str) -> Array:
    """View a fixed-width column without nulls as numpy (booleans are copied: Arrow packs them)."""
    column = batch.column(name)
    assert column.null_count == 0, name
    return column.to_numpy(zero_copy_only=not pa.types.is_boolean(column.type))


def pick(batch: pa.RecordBatch, rows: Array) -> pa.RecordBatch:
    """Return the rows of a batch at the given positions."""
    return batch.take(pa.array(rows))


def keep(batch: pa.RecordBatch, mask: Mask) -> pa.RecordBatch:
    """Return the rows where the mask is true; the batch itself if it is true everywhere."""
    return batch if mask.all() else batch.filter(pa.array(mask))


def concat(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """Concatenate one or more batches of one schema; dictionaries are unified."""
    batches = list(batches)
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def without_stale_names(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Drop unused dictionary entries from columns that have more entries than rows."""
    for at, column in enumerate(batch.columns):
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > len(column):
            used = column.dictionary_decode().dictionary_encode()
            batch = batch.set_column(at, batch.schema.field(at), used.cast(column.type))
    return batch


def present(column: pa.Array) -> Mask:
    """Return a mask of the rows in which a column is not null."""
    return column.is_valid().to_numpy(zero_copy_only=False)


def money_to_micros(column: pa.Array) -> Ints:
    """Read DECIMAL(18,6) as millionths; null becomes zero."""
    words = np.frombuffer(column.buffers()[1], dtype=np.int64)
    low = words[2 * column.offset : 2 * (column.offset + len(column)) : 2]
    return low if column.null_count == 0 else np.where(present(column), low, 0)


def micros_to_money(micros: Ints, valid: Mask | None = None) -> pa.Array:
    """Write millionths as DECIMAL(18,6); null where `valid` is false."""
    return _decimal(MONEY, micros, valid)


def billionths_to_share(billionths: Ints) -> pa.Array:
    """Write billionths as DECIMAL(10,9)."""
    return _decimal(pa.decimal128(10, 9), billionths, None)


def _decimal(kind: pa.DataType, scaled: Ints, valid: Mask | None) -> pa.Array:
    words = np.empty((len(scaled), 2), dtype=np.int64)
    words[:, 0] = scaled
    words[:, 1] = scaled >> 63
    nulls = None if valid is None or valid.all() else pa.array(valid).buffers()[1]
    return pa.Array.from_buffers(kind, len(scaled), [nulls, pa.py_buffer(words)])


def timestamps(micros: Ints, valid: Mask | None = None) -> pa.Array:
    """Write microseconds since the epoch as TIMESTAMPTZ; null where `valid` is false."""
    mask = None if valid is None else ~valid
    return pa.array(micros, mask=mask).view(pa.timestamp("us", "UTC"))


def ranks(column: pa.Array) -> Array:
    """Return the rank, in byte order, of each row's value in a dictionary column."""
    names = column.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda code: names[code].encode())
    rank_of = np.empty(len(names), dtype=np.int64)
    rank_of[order] = np.arange(len(names))
    return rank_of[column.indices.to_numpy()]


def starts_of(sorted_key: Array) -> Ints:
    """Return the positions where a new value begins in a sorted array."""
    if len(sorted_key) == 0:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.r_[True, sorted_key[1:] != sorted_key[:-1]])


def lengths_of(starts: Ints, total: int) -> Ints:
    """Return the lengths of the segments that begin at `starts`."""
    return np.diff(np.r_[starts, total])


def expand(starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Expand ranges: range i yields `counts[i]` pairs (i, starts[i] + 0, 1, ...)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - np.repeat(first - starts, counts)
