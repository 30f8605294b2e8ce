"""The tables of a result that record how far its log was read; written, and read back.

A continuous run records how far it has read each partition, which records it raised to the
watermark because they arrived below it, and when it read those that were ahead of the clock. With
all three, reading the log again yields the same records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from attribution.decoded import Decoded, FutureRecords, LateRecords
from connectors.decoding.arrivals import NONE, ReadTimes
from connectors.decoding.part_rows import part_rows


def late_record_rows(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows of table `late_records` for a chunk that has any."""
    found = [(part.partition, part.late) for part in decoded.parts if part.late]
    return part_rows(decoded.stream, found)


def future_record_rows(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows of table `future_records` for a chunk that has any."""
    found = [(part.partition, part.future) for part in decoded.parts if part.future]
    return part_rows(decoded.stream, found)


def read_offset_rows(stream: str, next_offsets: Mapping[str, int]) -> pa.RecordBatch:
    """Return the rows of table `read_offsets` for partitions that were read."""
    columns = {
        "stream": [stream] * len(next_offsets),
        "source_partition": list(next_offsets),
        "next_offset": list(next_offsets.values()),
    }
    return pa.RecordBatch.from_pydict(columns)


@dataclass(frozen=True, slots=True)
class Extent:
    """The records of a partition that a result contains: those below `next_offset`.

    `late_records` are in the order of their offsets.
    """

    stream: str
    partition: str
    next_offset: int
    late_records: tuple[LateRecords, ...] = ()
    read_times: ReadTimes = NONE

    def late_among(self, first: int, beyond: int) -> list[LateRecords]:
        """Return the late records that begin at offsets from `first` to `beyond` - 1."""
        return [late for late in self.late_records if first <= late.first_offset < beyond]


def read_extents(connection: duckdb.DuckDBPyConnection) -> list[Extent]:
    """Read from `result` how far each partition was read, in the order of names."""
    positions = connection.execute(
        """select stream, source_partition, max(next_offset) from result.read_offsets
        group by all having max(next_offset) > 0 order by all"""
    ).fetchall()
    late_records: dict[tuple[str, str], list[LateRecords]] = {}
    for stream, partition, *late in _noted(connection, "late_records", "received_at"):
        late_records.setdefault((stream, partition), []).append(LateRecords(*late))
    read_times: dict[tuple[str, str], list[FutureRecords]] = {}
    for stream, partition, *reading in _noted(connection, "future_records", "read_at"):
        read_times.setdefault((stream, partition), []).append(FutureRecords(*reading))
    return [
        Extent(
            *(stream, partition, next_offset),
            tuple(late_records.get((stream, partition), ())),
            ReadTimes.of(read_times.get((stream, partition), ())),
        )
        for stream, partition, next_offset in positions
    ]


def _noted(
    connection: duckdb.DuckDBPyConnection, table: str, instant: str
) -> list[tuple[Any, ...]]:
    return connection.execute(
        f"""select stream, source_partition, first_offset, last_offset, epoch_us({instant})
        from result.{table} order by all"""
    ).fetchall()
