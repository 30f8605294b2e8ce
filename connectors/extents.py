"""How much of its log a result that still grows is made of, and how to read that much again.

A continuous run notes how far it has read each partition, which records it lifted because they
arrived below what it had promised, and when it read those that were ahead of the clock. With all
three, reading the log again gives the same records.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from attribution.decoded import Decoded, Lift, Reading
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.arrivals import NONE, Readings
from connectors.decoding.decoder import Next, PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.files.folder import LogError, LogFile, find_files
from connectors.files.whole_lines import decode_in_turn, read_whole_lines
from connectors.wording import counted


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


def decode_extents(
    folder: Path, extents: Sequence[Extent], policy: Policy, registry: Registry
) -> Iterator[Decoded]:
    """Decode as much of the files of a folder as the result is made of.

    Raises LogError when a file is gone, or shorter than it was.
    """
    files = {(file.stream, file.partition): file for file in find_files(folder)} if extents else {}
    return decode_in_turn(_lines_of(folder, files, extents, policy, registry))


def _lines_of(
    folder: Path,
    files: Mapping[tuple[str, str], LogFile],
    extents: Sequence[Extent],
    policy: Policy,
    registry: Registry,
) -> Iterator[Next]:
    for extent in extents:
        file = files.get((extent.stream, extent.partition))
        if file is None:
            msg = (
                f"{folder / extent.partition} is gone, and the result is made of "
                f"{counted(extent.next_offset, 'line')} of it; put the file back (it may be "
                "packed), or name the folder it is in now"
            )
            raise LogError(msg)
        decoder = PartitionDecoder(
            extent.stream, extent.partition, policy=policy, registry=registry
        )
        yield from _extent_of(file, extent, decoder)


def _extent_of(file: LogFile, extent: Extent, decoder: PartitionDecoder) -> Iterator[Next]:
    done = 0
    for content in read_whole_lines(file):
        found = (Lines.of if done else Lines.at_beginning)(content)
        lines = _first(found, extent.next_offset - done)
        yield Next(
            decoder,
            lines,
            lines.numbered(done),
            lifts=extent.lifts_among(done, done + len(lines)),
            readings=extent.readings,
        )
        done += len(lines)
        if done == extent.next_offset:
            return
    if done < extent.next_offset:
        msg = (
            f"{file.path} ends after {counted(done, 'line')}, and the result is made of "
            f"{extent.next_offset:,}: it was cut short or replaced; put the right file back"
        )
        raise LogError(msg)


def _first(lines: Lines, count: int) -> Lines:
    if len(lines) <= count:
        return lines
    start = lines.start[: count + 1]
    return Lines(lines.chunk[: start[-1]], start)
