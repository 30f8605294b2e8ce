"""What a live lane knows of one partition, and the rows that tell how far it was read.

Is told the time; what to do with a watermark is the lane's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.columns import timestamps
from attribution.decoded import Decoded
from attribution.frames import START
from connectors.decode import PartitionDecoder


@dataclass(slots=True)
class LivePartition:
    """One partition: its order of arrival, and what was promised of it.

    `active_at` is when (by the clock) there was last more of it; `is_behind` if there still is.
    """

    stream: str
    decoder: PartitionDecoder
    watermark: int
    active_at: int
    is_behind: bool = False

    def advance(self, now: int, grace: int) -> None:
        """Raise the watermark to the latest arrival, or to the clock's when idle."""
        latest = min(self.decoder.maximum, now)
        carried = now - grace if now - self.active_at >= grace else START
        self.watermark = max(self.watermark, latest, carried)


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


def moved(stream: str, next_offsets: Mapping[str, int]) -> pa.RecordBatch:
    """Give the rows of table `positions` for partitions that were read."""
    columns = {
        "stream": [stream] * len(next_offsets),
        "source_partition": list(next_offsets),
        "next_offset": list(next_offsets.values()),
    }
    return pa.RecordBatch.from_pydict(columns)
