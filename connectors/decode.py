"""Bytes to the decoded log, partition by partition: reading, judging, and the order of arrival."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from attribution.columns import Array, Ints, keep, values
from attribution.contract.times import FUTURE_TOLERANCE
from attribution.decoded import EVENTS, REJECTIONS, TESTS, Decoded
from attribution.frames import START
from attribution.policy import Policy
from attribution.registry import Registry
from attribution.vocabulary import WARNING_BITS, Warn
from connectors.chunks import Chunk, positions
from connectors.events import read_events
from connectors.impressions import read_impressions
from connectors.lines import Lines
from connectors.sources import Sources


class PartitionDecoder:
    """Decodes the chunks of one partition in their order.

    `maximum` is the partition's largest effective `received_at` so far, and so its watermark: no
    later record has a smaller one.
    """

    def __init__(self, stream: str, partition: str, *, policy: Policy, registry: Registry) -> None:
        """Start before the first record."""
        self._stream = stream
        self._partition = partition
        self._policy = policy
        self._registry = registry
        self.maximum = START

    def decode(self, content: bytes, *, first_line: int) -> Decoded:
        """Decode whole lines; `first_line` is the number of the first of them."""
        lines = Lines.of(content, first=first_line)
        read = read_events if self._stream == "events" else read_impressions
        chunk = read(lines, policy=self._policy)
        received_at = self._effective(chunk)
        if self._stream == "events":
            chunk = _hold_against_sources(chunk, received_at, self._registry, self._policy)
        rows = _set(chunk.rows, "received_at", received_at[values(chunk.rows, "line")])
        if self._stream == "events":
            rows = _set(rows, "warnings", _with_future(rows))
        return Decoded(
            stream=self._stream,
            partition=self._partition,
            first_line=first_line,
            rows=rows,
            keys=chunk.keys,
            rejections=self._rejections(chunk, received_at, first_line),
            tests=_batch([_timed(row, received_at) for row in chunk.tests], TESTS),
            watermark=self.maximum,
            lines=len(lines),
            records=int(chunk.is_record.sum()),
        )

    def _effective(self, chunk: Chunk) -> Ints:
        """Give the effective `received_at` of every line, and move the maximum on."""
        arrived = chunk.arrived.copy()
        if self.maximum == START:
            known = np.flatnonzero((arrived != START) | (chunk.stand_in != START))
            if len(known) and arrived[known[0]] == START:
                arrived[known[0]] = chunk.stand_in[known[0]]
        effective = np.maximum.accumulate(np.r_[self.maximum, arrived])[1:]
        self.maximum = int(effective[-1]) if len(effective) else self.maximum
        return effective

    def _rejections(self, chunk: Chunk, received_at: Ints, first: int) -> pa.RecordBatch:
        place = {"stream": self._stream, "source_partition": self._partition}
        rows = [
            _timed(row, received_at) | place | {"source_offset": first + row["line"]}
            for row in sorted(chunk.refused, key=_place)
        ]
        return _batch(rows, REJECTIONS)


def _place(row: dict[str, Any]) -> tuple[int, int]:
    return row["line"], row.get("source_index") or 0


def _timed(row: dict[str, Any], received_at: Ints) -> dict[str, Any]:
    at = int(received_at[row["line"]])
    return row | {"received_at": None if at == START else at}


def _batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def _set(rows: pa.RecordBatch, name: str, column: Array) -> pa.RecordBatch:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(name), pa.array(column))


def _with_future(rows: pa.RecordBatch) -> Array:
    late = values(rows, "event_time") > values(rows, "received_at") + FUTURE_TOLERANCE
    bit = np.uint32(WARNING_BITS[Warn.EVENT_TIME_IN_FUTURE])
    return np.where(late, values(rows, "warnings") | bit, values(rows, "warnings"))


def _hold_against_sources(
    chunk: Chunk, received_at: Ints, registry: Registry, policy: Policy
) -> Chunk:
    stays, refused, tests, warnings = Sources(chunk, received_at, registry).judge(policy)
    rows = keep(_set(chunk.rows, "warnings", warnings), stays)
    assert rows.schema.equals(EVENTS)
    return replace(
        chunk, rows=rows, keys=positions(chunk.keys, stays), refused=refused, tests=tests
    )
