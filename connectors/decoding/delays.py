"""Finds records that count as received far later than their own time, and the record that is why.

A single record with a later time raises the arrival of all records after it, usually by seconds. If
it is hours, a file was assembled in the wrong order, or a clock was wrong.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints
from attribution.columnar.frames import START
from attribution.decoded import Decoded, Delayed
from connectors.decoding.arrivals import Times
from connectors.decoding.part_rows import part_rows

FAR: Final = 3_600_000_000
"""Delay (us) from which a record is reported."""


@dataclass(slots=True)
class Delays:
    """One partition; `cause` is the offset of the record that set its latest arrival so far."""

    cause: int = -1

    def follow(self, times: Times, effective: Ints, before: int) -> tuple[Delayed, ...]:
        """Return the delays among the next lines; `before` is the latest arrival before them."""
        if not len(effective):
            return ()
        is_latest = effective > np.r_[before, effective[:-1]]
        setters = np.where(is_latest, times.offsets, -1)
        causes = np.maximum.accumulate(np.r_[self.cause, setters])[1:]
        self.cause = int(causes[-1])
        says = times.is_record & (times.arrived != START)
        is_far = says & (times.arrived < np.maximum(effective, START + FAR) - FAR)
        if not is_far.any():
            return ()
        found, first, counts = np.unique(causes[is_far], return_index=True, return_counts=True)
        latest = effective[is_far][first]
        rows = zip(found.tolist(), latest.tolist(), counts.tolist(), strict=True)
        return tuple(Delayed(*row) for row in rows)


def ignored_rows(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows of table `ignored_arrivals` for a chunk that has any."""
    found = [(part.partition, part.ignored) for part in decoded.parts if part.ignored]
    return part_rows(decoded.stream, found)


def delayed_rows(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows of table `delayed_arrivals` for a chunk that has any."""
    found = [(part.partition, delayed) for part in decoded.parts for delayed in part.delayed]
    return part_rows(decoded.stream, found)
