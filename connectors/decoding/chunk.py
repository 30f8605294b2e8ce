"""The result of reading a chunk of either stream, without the fields specific to one of them."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, Mask, concat
from attribution.columnar.frames import START
from attribution.decoded import NAME, Keys
from connectors.decoding.lines import Lines


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of lines, read and judged, before effective arrival times are assigned.

    The `row` of `keys` is a position in `rows`. `refused` and `tests` are rows with a `line`. Per
    line, `arrived` is the document's own `received_at`, and `stand_in` the time that replaces a
    missing one on the first record of a partition (START if there is none); `is_record` is false
    for blank lines.
    """

    lines: Lines
    rows: pa.RecordBatch
    keys: Keys
    refused: list[dict[str, Any]]
    tests: list[dict[str, Any]]
    arrived: Ints
    stand_in: Ints
    is_record: Mask
    envelopes: pa.RecordBatch | None = None


ENVELOPES: Final = pa.schema(
    {
        "line": pa.int64(),
        "advertiser_id": pa.string(),
        "event_source_id": pa.string(),
        "test_event_code": pa.string(),
        "events": pa.int32(),
    }
)
"""One row per envelope that was not refused as a whole (events stream only)."""


def or_start(time: int | None) -> int:
    """Return a time, or START for None."""
    return START if time is None else time


def typed(columns: dict[str, pa.Array], schema: pa.Schema, kept: Mask) -> pa.RecordBatch:
    """Select the kept rows of text columns, and cast them to the schema."""
    mask = pa.array(kept)
    arrays = [columns[field.name].filter(mask) for field in schema]
    encoded = [
        array.dictionary_encode() if field.type == NAME and array.type != NAME else array
        for array, field in zip(arrays, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(encoded, schema=schema)


def together(parts: list[tuple[pa.RecordBatch, Keys]]) -> tuple[pa.RecordBatch, Keys]:
    """Concatenate rows of the fast and the slow path; their order has no meaning."""
    parts = [part for part in parts if part[0].num_rows] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    before = np.cumsum([0, *(rows.num_rows for rows, _ in parts)])
    keys = [
        Keys(keys.row + start, keys.kind, keys.value)
        for (_, keys), start in zip(parts, before, strict=False)
    ]
    return concat(rows for rows, _ in parts), Keys.concat(keys)


def renumbered(keys: Keys, kept: Mask) -> Keys:
    """Select the keys of kept rows, and renumber their rows."""
    keys = keys.at(kept[keys.row])
    return Keys((np.cumsum(kept) - 1)[keys.row], keys.kind, keys.value)
