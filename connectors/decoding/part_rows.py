"""Rows about records of single partitions of a chunk: late, future, ignored and delayed ones."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import timestamps
from attribution.decoded import Delayed, FutureRecords, Ignored, LateRecords

INSTANTS = frozenset({"received_at", "read_at"})

Found = LateRecords | FutureRecords | Ignored | Delayed


def part_rows(stream: str, found: Sequence[tuple[str, Found]]) -> pa.RecordBatch:
    """Return a row per (partition, value), one or more; the columns are the fields of the value."""
    columns = {
        "stream": pa.array([stream] * len(found), pa.string()),
        "source_partition": pa.array([partition for partition, _ in found], pa.string()),
    }
    for name in (field.name for field in fields(found[0][1])):
        numbers = np.array([getattr(value, name) for _, value in found], dtype=np.int64)
        columns[name] = timestamps(numbers) if name in INSTANTS else pa.array(numbers)
    return pa.RecordBatch.from_pydict(columns)
