"""What a chunk of either stream is read into, and the way of the rows that the contract judged.

Shared by `impressions` and `events`; knows neither's fields.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, Mask, concat
from attribution.columnar.frames import START
from attribution.decoded import NAME, Keys
from attribution.vocabulary import KIND_CODES, Code


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of lines, read and judged, before its place in time is known.

    The `row` of `keys` is a position in `rows`. `refused` and `tests` are
    rows with a `line`. Per line: `arrived` is its own `received_at` and `stand_in` the time that
    stands in for it on the first record of a partition (both START where there is none);
    `is_record` is false for blank lines.
    """

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
"""One row per envelope that was not refused whole (events stream only)."""


def or_start(time: int | None) -> int:
    """Return a time, or START where there is none."""
    return START if time is None else time


def unreadable(line: int, message: str) -> dict[str, Any]:
    """Refuse a document that cannot be read: it counts as one event."""
    return {"line": line, "code": Code.INVALID_REQUEST, "message": message, "events": 1}


def judged_rows(records: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Put rows that the contract accepted in columns."""
    columns = [pa.array([record[field.name] for record in records], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def judged_keys(records: Iterable[Iterable[tuple[str, str]]]) -> Keys:
    """Put match keys that the contract read in columns; the row is the record's position."""
    spelled = [(row, *key) for row, keys in enumerate(records) for key in sorted(keys)]
    return Keys(
        np.array([row for row, _, _ in spelled], dtype=np.int64),
        np.array([KIND_CODES[kind] for _, kind, _ in spelled], dtype=np.uint8),
        pa.array([value for _, _, value in spelled], pa.string()),
    )


def typed(columns: dict[str, pa.Array], schema: pa.Schema, kept: Mask) -> pa.RecordBatch:
    """Take the kept rows of columns of plain text and bring them to the schema."""
    mask = pa.array(kept)
    arrays = [columns[field.name].filter(mask) for field in schema]
    encoded = [
        array.dictionary_encode() if field.type == NAME and array.type != NAME else array
        for array, field in zip(arrays, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(encoded, schema=schema)


def together(parts: list[tuple[pa.RecordBatch, Keys]]) -> tuple[pa.RecordBatch, Keys]:
    """Put bulk and judged rows in one table; their order means nothing."""
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
    """Keep the keys of kept rows, and count their rows among the kept ones."""
    keys = keys.at(kept[keys.row])
    return Keys((np.cumsum(kept) - 1)[keys.row], keys.kind, keys.value)
