"""Small chunks, which the contract judges whole: the fast path costs much however short they are.

A chunk of a live run is small unless the load is high. The fast path takes some 10 ms for 150
impressions and 20 ms for 20 documents of events; the contract takes an eighth of a millisecond for
an impression, and half a millisecond for such a document.
"""

from typing import Final

import numpy as np

from attribution.policy import Policy
from connectors.decoding.chunk import Chunk
from connectors.decoding.judged import JudgedEvents, JudgedImpressions
from connectors.decoding.lines import Lines

SMALL_BYTES: Final = {"events": 64 << 10, "impressions": 32 << 10}
"""Size up to which a chunk of a stream is small: below it the contract is faster."""


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
