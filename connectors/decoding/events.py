"""Chunks of the events stream to columns: DuckDB reads, the proofs vouch, the contract judges.

As in `impressions`, but an envelope is a frame around many events: the frame and each event are
vouched for on their own, and a document meets Python when its frame or any of its events has to.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Mask, present, starts_of
from attribution.columnar.frames import START
from attribution.contract.document import Unreadable, read_document
from attribution.contract.envelope import judge_envelope
from attribution.contract.event import judge_event
from attribution.contract.verdicts import Envelope, EventRecord, Refusal, Rejection
from attribution.decoded import EVENTS, Keys
from attribution.policy import Policy
from connectors.decoding.chunk import (
    ENVELOPES,
    Chunk,
    judged_keys,
    judged_rows,
    or_start,
    together,
    unreadable,
)
from connectors.decoding.event_columns import EventColumns
from connectors.decoding.json_reader import ENVELOPE, parse
from connectors.decoding.judged import accepted_row, envelope_row, refused_row
from connectors.decoding.lines import Lines
from connectors.decoding.proofs import instants, surely_string, unquoted
from connectors.duckdb_query import query

_ID: Final = 256
_MAX_EVENTS: Final = 10_000
_IDEMPOTENCY_KEY: Final = "^[A-Za-z0-9_.:-]{16,255}$"
_MUST_BE_ABSENT: Final = ("test_event_code", "adcp_version", "adcp_major_version")


def read_events(lines: Lines, *, policy: Policy) -> Chunk:
    """Read and judge one chunk."""
    frames = _Frames(lines)
    events = EventColumns(frames.events)
    events.proven &= frames.proven[frames.line]
    judged = _Judged(lines, policy)
    judged.judge(frames, events.proven)
    bulk = events.rows(frames.line, frames.index, frames.names)
    rows, keys = together([bulk, judged.rows()])
    arrived, stand_in = frames.arrived, np.full(len(lines), START)
    for line, (received_at, latest) in judged.times.items():
        arrived[line], stand_in[line] = received_at, latest
    envelopes = pa.concat_tables(
        [pa.Table.from_batches([batch]) for batch in (frames.envelopes(), judged.envelopes())]
    ).combine_chunks()
    return Chunk(
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
    """The envelopes of a chunk: which frames are vouched for, and the events inside of them."""

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
            self.names[name], named = unquoted(leaves[name].dictionary_encode(), _ID)
            sound &= named & present(leaves[name])
        sound &= (self.counts >= 1) & (self.counts <= _MAX_EVENTS)
        for name in _MUST_BE_ABSENT:
            sound &= leaves[name].is_null().to_numpy(zero_copy_only=False)
        key = leaves["idempotency_key"]
        spelled = pc.match_substring_regex(key, _IDEMPOTENCY_KEY).fill_null(True)  # noqa: FBT003
        sound &= surely_string(key) & spelled.to_numpy(zero_copy_only=False)
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


class _Judged:
    """What the contract says of single documents and events."""

    def __init__(self, lines: Lines, policy: Policy) -> None:
        self._lines = lines
        self._policy = policy
        self._accepted: list[tuple[int, int, Envelope, EventRecord]] = []
        self._envelopes: list[dict[str, Any]] = []
        self.refused: list[dict[str, Any]] = []
        self.tests: list[dict[str, Any]] = []
        self.times: dict[int, tuple[int, int]] = {}
        self.is_record = np.ones(len(lines), dtype=bool)

    def judge(self, frames: _Frames, proven: Mask) -> None:
        """Judge what the proofs left: whole documents, and single events of sound frames."""
        for line in np.flatnonzero(~frames.proven).tolist():
            self._judge_line(line)
        left = np.flatnonzero(~proven & frames.proven[frames.line])
        for mine in np.split(left, starts_of(frames.line[left])[1:]) if len(left) else []:
            line = int(frames.line[mine[0]])
            envelope = judge_envelope(_document(self._lines[line]))
            assert isinstance(envelope, Envelope), "the proofs vouched for a frame that is refused"
            for at in mine.tolist():
                self._judge_event(line, int(frames.index[at]), envelope)

    def _judge_line(self, line: int) -> None:
        self.times[line] = (START, START)
        if not self._lines.is_record(line):
            self.is_record[line] = False
            return
        document = read_document(self._lines[line])
        if isinstance(document, Unreadable):
            self.refused.append(unreadable(line, document.message))
            return
        envelope = judge_envelope(document)
        latest = envelope.latest_event_time
        self.times[line] = (or_start(envelope.received_at), or_start(latest))
        if isinstance(envelope, Refusal):
            self._refuse_envelope(line, envelope)
            return
        self._envelopes.append(envelope_row(line, envelope))
        for index in range(len(envelope.events)):
            self._judge_event(line, index, envelope)

    def _refuse_envelope(self, line: int, refusal: Refusal) -> None:
        row = {
            "line": line,
            "advertiser_id": refusal.advertiser_id,
            "event_source_id": refusal.event_source_id,
            "code": refusal.code,
            "events": refusal.events,
        }
        if refusal.test_event_code is not None:
            self.tests.append(row | {"test_event_code": refusal.test_event_code})
        else:
            self.refused.append(row | {"message": refusal.message, "field": refusal.field})

    def _judge_event(self, line: int, index: int, envelope: Envelope) -> None:
        verdict = judge_event(envelope.events[index], policy=self._policy)
        if isinstance(verdict, Rejection):
            self.refused.append(refused_row(line, index, envelope, verdict))
        else:
            self._accepted.append((line, index, envelope, verdict))

    def envelopes(self) -> pa.RecordBatch:
        return judged_rows(self._envelopes, ENVELOPES)

    def rows(self) -> tuple[pa.RecordBatch, Keys]:
        records = [accepted_row(*accepted) for accepted in self._accepted]
        rows = judged_rows(records, EVENTS)
        # The spelling of JSON text is DuckDB's, whoever read it.
        if rows.num_rows:
            text = query("select json(custom_data) as text from input", rows)["text"]
            at = rows.schema.get_field_index("custom_data")
            rows = rows.set_column(at, EVENTS.field("custom_data"), text.cast(pa.string()))
        return rows, judged_keys(record.match_keys for _, _, _, record in self._accepted)


def _document(line: bytes) -> dict[str, Any]:
    document = read_document(line)
    assert not isinstance(document, Unreadable), "the proofs vouched for an unreadable document"
    return document
