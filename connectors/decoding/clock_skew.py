"""Whether a record can have arrived when it says: not if that is far ahead of its reader's clock.

One wrong clock would otherwise carry all that follows in its partition away. Such a record counts
as one that does not say when it arrived. Knows times only; whose clock it is, is its caller's
business.
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
    """Return the latest arrival that is believed by that clock."""
    return min(read_at, END - skew) + skew


def without_arrival(chunk: Chunk, ignored: Mask) -> Chunk:
    """Return the chunk as if the ignored lines did not say when they arrived."""
    return replace(chunk, arrived=np.where(ignored, START, chunk.arrived))


def add_stand_in(chunk: Chunk, lines: Lines, mine: slice, ignored: Mask) -> None:
    """Fill in the time that stands in for the first arrival of a partition, where it was ignored.

    Lines of a partition that begins with this chunk are `mine`. Of envelopes that do say when they
    arrived the bulk reader leaves their latest event time out, since hardly one is ever asked for.
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
