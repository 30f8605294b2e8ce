"""How far a result has read its log: tables `lifts`, `readings` and `positions`, both ways.

A continuous run records how far it has read each partition, which records it raised to the
watermark because they arrived below it, and when it read those that were ahead of the clock. With
all three, reading the log again gives the same records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from attribution.columnar.columns import timestamps
from attribution.decoded import Decoded, Lift, Reading
from connectors.decoding.arrivals import NONE, Readings


def lifted(decoded: Decoded) -> pa.RecordBatch:
    """Give the rows of table `lifts` for a chunk."""
    lifts = [(part.partition, part.lift) for part in decoded.parts if part.lift]
    columns = {
        "stream": [decoded.stream] * len(lifts),
        "source_partition": pa.array([partition for partition, _ in lifts], pa.string()),
        "first_offset": [lift.first_offset for _, lift in lifts],
        "last_offset": [lift.last_offset for _, lift in lifts],
        "received_at": timestamps(np.array([lift.received_at for _, lift in lifts])),
    }
    return pa.RecordBatch.from_pydict(columns)


def read_ahead(decoded: Decoded) -> pa.RecordBatch:
    """Give the rows of table `readings` for a chunk."""
    noted = [(part.partition, part.reading) for part in decoded.parts if part.reading]
    columns = {
        "stream": [decoded.stream] * len(noted),
        "source_partition": pa.array([partition for partition, _ in noted], pa.string()),
        "first_offset": [reading.first_offset for _, reading in noted],
        "last_offset": [reading.last_offset for _, reading in noted],
        "read_at": timestamps(np.array([reading.read_at for _, reading in noted])),
    }
    return pa.RecordBatch.from_pydict(columns)


def moved(stream: str, next_offsets: Mapping[str, int]) -> pa.RecordBatch:
    """Give the rows of table `positions` for partitions that were read."""
    columns = {
        "stream": [stream] * len(next_offsets),
        "source_partition": list(next_offsets),
        "next_offset": list(next_offsets.values()),
    }
    return pa.RecordBatch.from_pydict(columns)


@dataclass(frozen=True, slots=True)
class Extent:
    """The records of a partition that a result is made of: those below `next_offset`.

    `lifts` are in the order of their offsets.
    """

    stream: str
    partition: str
    next_offset: int
    lifts: tuple[Lift, ...] = ()
    readings: Readings = NONE

    def lifts_among(self, first: int, beyond: int) -> list[Lift]:
        """Give the lifts that begin at an offset from `first` to before `beyond`."""
        return [lift for lift in self.lifts if first <= lift.first_offset < beyond]


def read_extents(connection: duckdb.DuckDBPyConnection) -> list[Extent]:
    """Read from `result` how far each of its partitions was read, by name."""
    positions = connection.execute(
        """select stream, source_partition, max(next_offset) from result.positions
        group by all having max(next_offset) > 0 order by all"""
    ).fetchall()
    lifts: dict[tuple[str, str], list[Lift]] = {}
    for stream, partition, *lift in _noted(connection, "lifts", "received_at"):
        lifts.setdefault((stream, partition), []).append(Lift(*lift))
    readings: dict[tuple[str, str], list[Reading]] = {}
    for stream, partition, *reading in _noted(connection, "readings", "read_at"):
        readings.setdefault((stream, partition), []).append(Reading(*reading))
    return [
        Extent(
            *(stream, partition, next_offset),
            tuple(lifts.get((stream, partition), ())),
            Readings.of(readings.get((stream, partition), ())),
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
