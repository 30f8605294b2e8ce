"""Finds records that count as received far later than their own time, and the record that is why.

A single record with a later time raises the arrival of all records after it, usually by seconds. If
it is hours, a file was assembled in the wrong order, or a clock was wrong.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, timestamps
from attribution.columnar.frames import START
from attribution.decoded import Decoded, Delayed
from connectors.decoding.arrivals import Times

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
    """Return the rows of table `ignored_arrivals` for a chunk."""
    found = [(part.partition, part.ignored) for part in decoded.parts if part.ignored]
    columns = {
        "stream": [decoded.stream] * len(found),
        "source_partition": pa.array([partition for partition, _ in found], pa.string()),
        "first_offset": [ignored.first_offset for _, ignored in found],
        "records": [ignored.records for _, ignored in found],
    }
    return pa.RecordBatch.from_pydict(columns)


def delayed_rows(decoded: Decoded) -> pa.RecordBatch:
    """Return the rows of table `delayed_arrivals` for a chunk."""
    found = [(part.partition, delayed) for part in decoded.parts for delayed in part.delayed]
    columns = {
        "stream": [decoded.stream] * len(found),
        "source_partition": pa.array([partition for partition, _ in found], pa.string()),
        "source_offset": [delayed.source_offset for _, delayed in found],
        "received_at": timestamps(np.array([delayed.received_at for _, delayed in found])),
        "records": [delayed.records for _, delayed in found],
    }
    return pa.RecordBatch.from_pydict(columns)
