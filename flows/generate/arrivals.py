"""Sorts planned records by arrival, and groups events into envelopes."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from flows.generate.draws import Draws, Ints
from flows.generate.faults import EVENT_ALONE
from flows.generate.plan import plan
from flows.generate.rows import EVENT, SOURCES, TOUCH, Rows
from flows.generate.spec import GenerateSpec

_CUTS: Final = 0.85  # of an envelope's bounds; pauses and faulty events make the others
_ENVELOPE_PAUSE_MS: Final = 1_800_000  # half an hour of silence sends an envelope


def arriving(spec: GenerateSpec, draws: Draws) -> Iterator[tuple[Rows, Rows]]:
    """Yield the records that arrive during each block, and hold back those that arrive later."""
    touches, events = np.zeros(0, TOUCH), np.zeros(0, EVENT)
    for block in plan(draws, spec):
        touches = np.concatenate([touches, block.touches])
        events = np.concatenate([events, block.events])
        here, there = touches["arrival"] < block.until, events["arrival"] < block.until
        yield touches[here], events[there]
        touches, events = touches[~here], events[~there]


def in_envelopes(draws: Draws, rows: Rows, size: int) -> tuple[Rows, Ints]:
    """Group events by source into envelopes; return the sorted rows and the envelopes' bounds."""
    alone = np.array(EVENT_ALONE)[rows["fault"]]
    stream = rows["advertiser"] * len(SOURCES) + rows["source"]
    own = np.where(alone, rows["slot"] + 1, 0)
    order = np.lexsort((rows["slot"], rows["arrival"], own, rows["test"], stream))
    rows = rows[order]
    parts = (stream[order], own[order], rows["test"].astype(np.int64))
    starts = draws.chance("envelope", rows["slot"], _CUTS / size)
    starts[1:] |= np.diff(rows["arrival"]) > _ENVELOPE_PAUSE_MS
    for part in parts:
        starts[1:] |= np.diff(part) != 0
    starts[0] = True
    return rows, np.append(np.flatnonzero(starts), len(rows))
