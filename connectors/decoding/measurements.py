"""Decodes the stream of measurement data: aggregates, which are stored as they come.

They are few beside the events, so the contract judges every row. Nothing is matched with them and
nothing waits for them: they have no effective arrival, and their partitions no watermark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, values
from attribution.columnar.frames import START
from attribution.contract.document import JsonObject, Unreadable, read_document
from attribution.contract.measurement import judge_measurement, judge_measurements
from attribution.contract.verdicts import MeasurementCall, MeasurementRecord, Rejection
from attribution.decoded import (
    MEASUREMENT_ROWS,
    REJECTIONS,
    TESTS,
    ChunkPart,
    Decoded,
    Keys,
    places,
)
from attribution.vocabulary import MEASUREMENTS, Code
from connectors.decoding.lines import Lines

NO_KEYS: Final = Keys(
    np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint8), pa.array([], pa.string())
)

INSTANTS: Final = ("start_time", "end_time", "received_at")

Row = dict[str, Any]


def decode_measurements(given: Sequence[tuple[str, Lines, Ints]]) -> Decoded:
    """Decode the next lines of some partitions, given as name, lines and their offsets."""
    lines = Lines.together([each for _, each, _ in given])
    offsets = np.concatenate([each for _, _, each in given])
    parts = tuple(ChunkPart(name, len(each), START) for name, each, _ in given)
    accepted: list[Row] = []
    refused: list[Row] = []
    records = [line for line in range(len(lines)) if lines.is_record(line)]
    for line in records:
        for row in _rows_of(lines[line]):
            (refused if "code" in row else accepted).append({"line": line, **row})
    return Decoded(
        stream=MEASUREMENTS,
        parts=parts,
        offsets=offsets,
        rows=pa.RecordBatch.from_pylist(accepted, schema=MEASUREMENT_ROWS),
        keys=NO_KEYS,
        rejections=_rejections(parts, offsets, refused),
        tests=pa.RecordBatch.from_pylist([], schema=TESTS),
        records=len(records),
    )


def measurement_rows(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows of table `measurements` of a decoded chunk."""
    rows = decoded.rows
    columns = {name: rows[name] for name in rows.schema.names if name != "line"}
    columns |= {name: rows[name].view(pa.timestamp("us", "UTC")) for name in INSTANTS}
    return pa.RecordBatch.from_pydict(columns | decoded.places(values(rows, "line")))


def _rows_of(line: bytes) -> Iterator[Row]:
    """Yield the rows of a document; one that is refused has a code."""
    document = read_document(line)
    if isinstance(document, Unreadable):
        yield {"code": Code.INVALID_REQUEST, "message": document.message, "events": 1}
    else:
        yield from _judged(document)


def _judged(document: JsonObject) -> Iterator[Row]:
    call = judge_measurements(document)
    of_call = {"advertiser_id": call.advertiser_id, "received_at": call.received_at}
    if not isinstance(call, MeasurementCall):
        why = {"code": call.code, "message": call.message, "field": call.field}
        yield of_call | why | {"events": call.rows}
        return
    for index, row in enumerate(call.rows):
        verdict = judge_measurement(row, call.advertiser_id)
        names = _REFUSED if isinstance(verdict, Rejection) else _ACCEPTED
        mine = {name: getattr(verdict, name) for name in names}
        yield of_call | mine | {"source_index": index, "events": 1}


_ACCEPTED: Final = tuple(field.name for field in fields(MeasurementRecord))
_REFUSED: Final = ("code", "message", "field", "record_id")


def _rejections(parts: Sequence[ChunkPart], offsets: Ints, refused: list[Row]) -> pa.RecordBatch:
    place = places(parts, offsets, np.array([row["line"] for row in refused], dtype=np.int64))
    known = {name: column.to_pylist() for name, column in place.items()}
    rows = [
        row | {"stream": MEASUREMENTS} | {name: column[at] for name, column in known.items()}
        for at, row in enumerate(refused)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=REJECTIONS)
