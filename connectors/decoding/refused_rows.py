"""Rows of what is counted apart from conversions: refused records, and test events."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints
from attribution.columnar.frames import START
from attribution.decoded import REJECTIONS, TESTS, ChunkPart, places


def rejections(
    stream: str,
    parts: Sequence[ChunkPart],
    offsets: Ints,
    refused: list[dict[str, Any]],
    received_at: Ints,
) -> pa.RecordBatch:
    """Return the rows of what was refused, with the places and arrival times of its lines."""
    refused = sorted(refused, key=_place)
    lines = np.array([row["line"] for row in refused], dtype=np.int64)
    columns = {name: column.to_pylist() for name, column in places(parts, offsets, lines).items()}
    rows = [
        _timed(row, received_at)
        | {"stream": stream}
        | {name: column[at] for name, column in columns.items()}
        for at, row in enumerate(refused)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=REJECTIONS)


def test_events(tests: list[dict[str, Any]], received_at: Ints) -> pa.RecordBatch:
    """Return the rows of test events, with the arrival times of their lines."""
    rows = [_timed(row, received_at) for row in tests]
    return pa.RecordBatch.from_pylist(rows, schema=TESTS)


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return row["line"], row.get("source_index") or 0


def _timed(row: dict[str, Any], received_at: Ints) -> dict[str, Any]:
    at = int(received_at[row["line"]])
    return row | {"received_at": None if at == START else at}
