"""Small chunks, which the contract judges whole: the fast path takes 20 ms, however short they are.

A chunk of a live run is small unless the load is high. The contract takes some 10 us for an event
and 70 us for an impression, so it is faster up to a few hundred of them.
"""

from typing import Final

import numpy as np

from attribution.policy import Policy
from connectors.decoding.chunk import Chunk
from connectors.decoding.judged import JudgedEvents, JudgedImpressions
from connectors.decoding.lines import Lines

SMALL_BYTES: Final = {"events": 256 << 10, "impressions": 64 << 10}
"""Size up to which a chunk of a stream is small: half of the size at which both ways cost alike."""


def is_small(stream: str, lines: Lines) -> bool:
    """Return whether the contract should judge a chunk."""
    return len(lines.chunk) <= SMALL_BYTES.get(stream, 0)


def judge_events(lines: Lines, *, policy: Policy) -> Chunk:
    """Judge all documents of a chunk of events."""
    judged = JudgedEvents(lines, policy)
    judged.judge_documents(np.arange(len(lines)))
    return _chunk(lines, judged)


def judge_impressions(lines: Lines, *, policy: Policy) -> Chunk:
    """Judge all documents of a chunk of impressions."""
    judged = JudgedImpressions(lines, policy)
    judged.judge(np.arange(len(lines)))
    return _chunk(lines, judged)


def _chunk(lines: Lines, judged: JudgedEvents | JudgedImpressions) -> Chunk:
    rows, keys = judged.rows()
    arrived, stand_in = np.array(list(judged.times.values()), dtype=np.int64).reshape(-1, 2).T
    return Chunk(
        lines,
        rows,
        keys,
        judged.refused,
        judged.tests,
        arrived.copy(),
        stand_in.copy(),
        judged.is_record,
        judged.envelopes() if isinstance(judged, JudgedEvents) else None,
    )
