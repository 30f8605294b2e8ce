"""Chunks of the events stream to columns: DuckDB reads, proofs accept, the contract judges.

As in `impressions`, but an envelope is a frame around many events. The frame and each event are
proven separately, and Python reads a document only if its frame or one of its events is not proven.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import present
from attribution.columnar.frames import START
from attribution.contract.envelope import IDEMPOTENCY_KEY, SUPPORTED_MAJOR
from attribution.policy import Policy
from connectors.decoding.chunk import (
    ENVELOPES,
    Chunk,
    together,
)
from connectors.decoding.event_columns import EventColumns
from connectors.decoding.json_reader import ENVELOPE, parse
from connectors.decoding.judged import JudgedEvents
from connectors.decoding.lines import Lines
from connectors.decoding.proofs import instants, unquoted

_MAX_EVENTS: Final = 10_000
_VERSIONS: Final = {
    "adcp_version": rf'^"{SUPPORTED_MAJOR}\.[0-9]+"$',
    "adcp_major_version": f"^{SUPPORTED_MAJOR}$",
}
"""How the versions of AdCP are spelled, as JSON, that change nothing."""
_KEY: Final = f'^"{IDEMPOTENCY_KEY.strip("^$")}"$'


def read_events(lines: Lines, *, policy: Policy) -> Chunk:
    """Read and judge one chunk."""
    frames = _Frames(lines)
    events = EventColumns(frames.events)
    events.proven &= frames.proven[frames.line]
    judged = JudgedEvents(lines, policy)
    judged.judge_documents(np.flatnonzero(~frames.proven))
    left = np.flatnonzero(~events.proven & frames.proven[frames.line])
    judged.judge_events(frames.line[left], frames.index[left])
    bulk = events.rows(frames.line, frames.index, frames.names)
    rows, keys = together([bulk, judged.rows()])
    arrived, stand_in = frames.arrived, np.full(len(lines), START)
    for line, (received_at, latest) in judged.times.items():
        arrived[line], stand_in[line] = received_at, latest
    envelopes = pa.concat_tables(
        [pa.Table.from_batches([batch]) for batch in (frames.envelopes(), judged.envelopes())]
    ).combine_chunks()
    return Chunk(
        lines,
        rows,
        keys,
        judged.refused,
        judged.tests,
        arrived,
        stand_in,
        judged.is_record,
        (envelopes.to_batches() or [judged.envelopes()])[0],
    )


class _Frames:
    """The envelopes of a chunk: which frames are proven, and the events inside of them."""

    def __init__(self, lines: Lines) -> None:
        readable = lines.strict()
        leaves = parse(lines.as_text(readable), ENVELOPE)
        self.arrived, has_arrival = instants(leaves["received_at"])
        self.arrived[~has_arrival] = START
        held = leaves["events"]
        offsets = held.offsets.to_numpy()
        self.counts = np.diff(offsets)
        self.names, sound = {}, readable & has_arrival
        for name in ("advertiser_id", "event_source_id"):
            self.names[name], named = unquoted(leaves[name].dictionary_encode())
            sound &= named & present(leaves[name])
        sound &= (self.counts >= 1) & (self.counts <= _MAX_EVENTS)
        sound &= leaves["test_event_code"].is_null().to_numpy(zero_copy_only=False)
        for name, pattern in _VERSIONS.items():
            spelled = pc.match_substring_regex(leaves[name], pattern).fill_null(True)  # noqa: FBT003
            sound &= spelled.to_numpy(zero_copy_only=False)
        key = leaves["idempotency_key"]
        spelled = pc.match_substring_regex(key, _KEY).fill_null(True)  # noqa: FBT003
        sound &= spelled.to_numpy(zero_copy_only=False)
        self.proven = sound & lines.shallow(sound, np.zeros(len(lines), dtype=np.int64))
        self.line = np.repeat(np.arange(len(lines)), self.counts)
        self.index = np.arange(len(self.line)) - np.repeat(offsets[:-1] - offsets[0], self.counts)
        self.events = held.values.slice(offsets[0], len(self.line))

    def envelopes(self) -> pa.RecordBatch:
        kept = pa.array(self.proven)
        rows = np.flatnonzero(self.proven)
        columns = {
            "line": pa.array(rows),
            **{name: names.filter(kept).cast(pa.string()) for name, names in self.names.items()},
            "test_event_code": pa.nulls(len(rows), pa.string()),
            "events": pa.array(self.counts[rows].astype(np.int32)),
        }
        return pa.RecordBatch.from_pydict(columns, schema=ENVELOPES)
