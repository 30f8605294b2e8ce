"""Ignores arrival times that are far ahead of the clock by which a record was read.

Otherwise one wrong clock would raise the arrival of all later records in its partition. Such a
record is treated as one without an arrival time. Knows only times; the caller passes the clock.
"""

from dataclasses import replace

import numpy as np

from attribution.columnar.columns import Ints, Mask
from attribution.columnar.frames import END, START
from attribution.contract.document import Unreadable, read_document
from attribution.contract.envelope import find_latest
from attribution.decoded import Ignored
from connectors.decoding.chunk import Chunk, or_start
from connectors.decoding.lines import Lines


def too_far_ahead(arrived: Ints, read_at: Ints, skew: int) -> Mask:
    """Mark the lines whose arrival is ahead of the clock by more than `skew`."""
    return arrived > np.minimum(read_at, END - skew) + skew


def limit_of(read_at: int, skew: int) -> int:
    """Return the latest arrival that is accepted at `read_at`."""
    return min(read_at, END - skew) + skew


def without_arrival(chunk: Chunk, ignored: Mask) -> Chunk:
    """Return the chunk as if the ignored lines had no arrival time."""
    return replace(chunk, arrived=np.where(ignored, START, chunk.arrived))


def add_stand_in(chunk: Chunk, lines: Lines, mine: slice, ignored: Mask) -> None:
    """Fill in the stand-in for the first arrival of a partition, if that was ignored.

    `mine` are the lines of a partition that begins with this chunk. For envelopes with an arrival
    time, the fast path does not compute the latest event time, because it is hardly ever needed.
    """
    says = (chunk.arrived[mine] != START) | (chunk.stand_in[mine] != START) | ignored[mine]
    for row in (np.flatnonzero(says) + mine.start).tolist():
        if ignored[row] and chunk.stand_in[row] == START:
            chunk.stand_in[row] = _latest_event_time(lines[row])
        if not ignored[row] or chunk.stand_in[row] != START:
            return


def _latest_event_time(line: bytes) -> int:
    document = read_document(line)
    assert not isinstance(document, Unreadable), "what has an arrival was read"
    return or_start(find_latest(document.get("events")))


def ignored_among(ignored: Mask, offsets: Ints) -> Ignored | None:
    """Count the ignored records of a partition, if there are any."""
    mine = offsets[ignored]
    return Ignored(int(mine[0]), len(mine)) if len(mine) else None
