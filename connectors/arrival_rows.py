"""The rows that say where arrivals were not believed, and where one moved others far.

Places and counts only; what is in the records is not said.
"""

import numpy as np
import pyarrow as pa

from attribution.columns import timestamps
from attribution.decoded import Decoded


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
