"""Decodes bytes to the decoded log: reads, judges, and assigns effective arrival times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Array, Ints, Mask, keep, values
from attribution.columnar.frames import END, START
from attribution.contract.times import FUTURE_TOLERANCE
from attribution.decoded import (
    EVENTS,
    ChunkPart,
    Decoded,
    LateRecords,
)
from attribution.policy import Policy
from attribution.registry import Registry
from attribution.vocabulary import MEASUREMENTS, WARNING_BITS, Warn
from connectors.decoding.arrivals import NONE, Arrivals, ReadTimes, Times, future_records_of
from connectors.decoding.chunk import Chunk, renumbered
from connectors.decoding.clock_skew import (
    add_stand_in,
    ignored_among,
    too_far_ahead,
    without_arrival,
)
from connectors.decoding.delays import Delays
from connectors.decoding.events import read_events
from connectors.decoding.impressions import read_impressions
from connectors.decoding.lines import Lines
from connectors.decoding.measurements import decode_measurements
from connectors.decoding.refused_rows import rejections, test_events
from connectors.decoding.small_chunks import is_small, judge_events, judge_impressions
from connectors.decoding.source_rules import SourceRules


class PartitionDecoder:
    """Decodes the lines of one partition in order."""

    def __init__(self, stream: str, partition: str, *, policy: Policy, registry: Registry) -> None:
        """Start before the first record."""
        self.stream = stream
        self.partition = partition
        self.policy = policy
        self.registry = registry
        self.arrivals = Arrivals()
        self.delays = Delays()

    @property
    def maximum(self) -> int:
        """The largest effective `received_at` so far: no later record has a smaller one."""
        return self.arrivals.maximum

    def raise_to(self, received_at: int) -> None:
        """Let all following records count as received at this instant or later."""
        self.arrivals.raise_to(received_at)

    def decode(
        self,
        lines: Lines,
        offsets: Ints,
        *,
        promised: int = START,
        late_records: Sequence[LateRecords] = (),
        read_times: ReadTimes = NONE,
    ) -> Decoded:
        """Decode the next lines, as `decode_together` does."""
        return decode_together(
            [Next(self, lines, offsets, promised, END, late_records, read_times)]
        )


@dataclass(frozen=True, slots=True)
class Next:
    """The next lines of a partition, and their `offsets` in it.

    Records that arrive below the watermark `promised` are raised to it. All are read at `read_at`:
    no later version of an event source is used, and an arrival far after that is ignored.
    `late_records` and `read_times` were recorded when these lines were first read, and apply again.
    """

    decoder: PartitionDecoder
    lines: Lines
    offsets: Ints
    promised: int = START
    read_at: int = END
    late_records: Sequence[LateRecords] = ()
    read_times: ReadTimes = NONE


def decode_together(nexts: Sequence[Next]) -> Decoded:
    """Decode the next lines of some partitions of one stream.

    Decoding costs tens of milliseconds however few the lines, so callers that read little of many
    partitions decode them together.
    """
    return arrange(nexts, read_chunk(nexts))


def read_chunk(nexts: Sequence[Next]) -> Chunk:
    """Read and judge lines, whatever arrived before them; any thread may do it in advance."""
    decoder = nexts[0].decoder
    lines = Lines.together([each.lines for each in nexts])
    if is_small(decoder.stream, lines):
        read = judge_events if decoder.stream == "events" else judge_impressions
    else:
        read = read_events if decoder.stream == "events" else read_impressions
    return read(lines, policy=decoder.policy)


def arrange(nexts: Sequence[Next], chunk: Chunk) -> Decoded:
    """Place a chunk after what its partitions had so far: assign arrivals, check event sources."""
    decoder = nexts[0].decoder
    if decoder.stream == MEASUREMENTS:
        return decode_measurements(
            [(each.decoder.partition, each.lines, each.offsets) for each in nexts]
        )
    is_events = decoder.stream == "events"
    lines, offsets = chunk.lines, np.concatenate([each.offsets for each in nexts])
    read_at = _read_at(nexts)
    ignored = too_far_ahead(chunk.arrived, read_at, decoder.policy.clock_skew)
    if ignored.any():
        chunk = without_arrival(chunk, ignored)
        for mine in _beginnings(nexts):
            add_stand_in(chunk, lines, mine, ignored)
    received_at, parts = _arrive(nexts, chunk, ignored)
    if is_events:
        judged_at = np.minimum(received_at, read_at)
        chunk = _check_sources(chunk, judged_at, decoder.registry, decoder.policy)
    rows = _set(chunk.rows, "received_at", received_at[values(chunk.rows, "line")])
    if is_events:
        rows = _set(rows, "warnings", _with_future(rows, ignored))
    return Decoded(
        stream=decoder.stream,
        parts=parts,
        offsets=offsets,
        rows=rows,
        keys=chunk.keys,
        rejections=rejections(decoder.stream, parts, offsets, chunk.refused, received_at),
        tests=test_events(chunk.tests, received_at),
        records=int(chunk.is_record.sum()),
    )


def _slices(nexts: Sequence[Next]) -> Iterator[tuple[Next, slice]]:
    """Yield the slice of each partition in the concatenated lines."""
    start = 0
    for each in nexts:
        yield each, slice(start, start := start + len(each.lines))


def _beginnings(nexts: Sequence[Next]) -> list[slice]:
    """Return the slices of the event partitions that have no arrival time so far."""
    return [
        mine
        for each, mine in _slices(nexts)
        if each.decoder.stream == "events" and each.decoder.maximum == START
    ]


def _arrive(
    nexts: Sequence[Next], chunk: Chunk, ignored: Mask
) -> tuple[Ints, tuple[ChunkPart, ...]]:
    """Return the effective `received_at` of every line, and the part of each partition."""
    received_at, parts = [], []
    for each, mine in _slices(nexts):
        times = Times(
            chunk.arrived[mine], chunk.stand_in[mine], chunk.is_record[mine], each.offsets
        )
        before = each.decoder.maximum
        effective, late = each.decoder.arrivals.follow(
            times, promised=each.promised, late_records=each.late_records
        )
        is_ahead = _is_ahead(each, times, effective, ignored[mine])
        received_at.append(effective)
        parts.append(
            ChunkPart(
                each.decoder.partition,
                len(each.lines),
                each.decoder.maximum,
                late,
                future_records_of(is_ahead, each.offsets, each.read_at),
                ignored_among(ignored[mine], each.offsets),
                each.decoder.delays.follow(times, effective, before),
            )
        )
    return np.concatenate(received_at), tuple(parts)


def _is_ahead(each: Next, times: Times, effective: Ints, ignored: Mask) -> Mask:
    """Mark the records whose result depends on the clock, and might differ if read later.

    Only events are judged by a registry, which is that of the read time if they arrive later.
    """
    if each.decoder.stream != "events":
        return ignored
    return ignored | (times.is_record & (effective > each.read_at))


def _read_at(nexts: Sequence[Next]) -> Ints:
    """Return when each line was read: the recorded time, or else `read_at`."""
    noted = [np.minimum(each.read_times.read_at_of(each.offsets), each.read_at) for each in nexts]
    return np.concatenate(noted)


def _set(rows: pa.RecordBatch, name: str, column: Array) -> pa.RecordBatch:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(name), pa.array(column))


def _with_future(rows: pa.RecordBatch, ignored: Mask) -> Array:
    """Return the warnings, including those that depend on the arrival time."""
    late = values(rows, "event_time") > values(rows, "received_at") + FUTURE_TOLERANCE
    warnings = _with(values(rows, "warnings"), Warn.EVENT_TIME_IN_FUTURE, late)
    return _with(warnings, Warn.RECEIVED_AT_IN_FUTURE, ignored[values(rows, "line")])


def _with(warnings: Array, warning: Warn, where: Mask) -> Array:
    return np.where(where, warnings | np.uint32(WARNING_BITS[warning]), warnings)


def _check_sources(chunk: Chunk, judged_at: Ints, registry: Registry, policy: Policy) -> Chunk:
    checked = SourceRules(chunk, judged_at, registry).check(policy)
    rows = keep(_set(chunk.rows, "warnings", checked.warnings), checked.stays)
    assert rows.schema.equals(EVENTS)
    keys = renumbered(chunk.keys, checked.stays)
    return replace(chunk, rows=rows, keys=keys, refused=checked.refused, tests=checked.tests)
