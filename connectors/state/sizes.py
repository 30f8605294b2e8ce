"""How large the state of the keyed steps is, as metrics."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import pyarrow as pa

from connectors.metrics import STATE_BYTES, STATE_ROWS, epoch_ended

STATE_SIZE_SECONDS: Final = 5.0
"""Interval of measuring a group's state, which costs more than all other metrics."""

_looked: Final[dict[tuple[str, int], float]] = {}

_sizes: Final[dict[str, dict[int, tuple[int, int]]]] = defaultdict(dict)


def state_size(step: str, group: int, state: Mapping[str, Iterable[pa.RecordBatch]]) -> None:
    """Measure the state of a key group every STATE_SIZE_SECONDS; the metric is the step's sum."""
    epoch_ended()
    now = time.monotonic()
    if now - _looked.get((step, group), -STATE_SIZE_SECONDS) < STATE_SIZE_SECONDS:
        return
    _looked[step, group] = now
    batches = [batch for part in state.values() for batch in part]
    sizes = _sizes[step]
    sizes[group] = sum(batch.num_rows for batch in batches), sum(batch.nbytes for batch in batches)
    # A copy, because the groups of other threads come and go.
    rows, nbytes = zip(*list(sizes.values()), strict=True)
    STATE_ROWS.labels(step).set(sum(rows))
    STATE_BYTES.labels(step).set(sum(nbytes))
