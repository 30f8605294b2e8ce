"""The slow path: documents and events that the contract judges one by one.

It handles only what the fast path cannot prove. `chunk.together` combines the rows of both paths.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints
from attribution.columnar.frames import START
from attribution.contract.document import JsonObject, Unreadable, read_document
from attribution.contract.envelope import judge_envelope
from attribution.contract.event import judge_event
from attribution.contract.impression import judge_impression
from attribution.contract.split import WORTHWHILE_BYTES, read_event, split_events
from attribution.contract.verdicts import (
    Envelope,
    EventRecord,
    ImpressionRecord,
    Refusal,
    Rejection,
)
from attribution.decoded import EVENTS, IMPRESSIONS, Keys
from attribution.policy import Policy
from connectors.decoding.chunk import ENVELOPES, or_start
from connectors.decoding.judged_rows import (
    accepted_row,
    envelope_row,
    in_columns,
    keys_in_columns,
    refused_impression,
    refused_row,
    unreadable,
)
from connectors.decoding.lines import Lines
from connectors.duckdb_query import query


class _Judged:
    """The contract's results for documents of one stream.

    `refused` and `tests` are rows with a `line`. `times` are (received_at, stand-in) by line, START
    if missing; `is_record` is false for blank lines.
    """

    def __init__(self, lines: Lines, policy: Policy) -> None:
        self._lines = lines
        self._policy = policy
        self.refused: list[dict[str, Any]] = []
        self.tests: list[dict[str, Any]] = []
        self.times: dict[int, tuple[int, int]] = {}
        self.is_record = np.ones(len(lines), dtype=bool)

    def _documents(self, lines: Ints) -> Iterator[tuple[int, JsonObject]]:
        """Yield the readable documents, by line; the others are added to `refused`."""
        for line in lines.tolist():
            self.times[line] = (START, START)
            if not self._lines.is_record(line):
                self.is_record[line] = False
                continue
            document = read_document(self._lines[line])
            if isinstance(document, Unreadable):
                self.refused.append(unreadable(line, document.message))
            else:
                yield line, document

    def _note_times(self, line: int, received_at: int | None, stand_in: int | None) -> None:
        self.times[line] = (or_start(received_at), or_start(stand_in))


class JudgedEvents(_Judged):
    """Whole envelopes, and single events of envelopes that the fast path has accepted."""

    def __init__(self, lines: Lines, policy: Policy) -> None:
        """Start without any."""
        super().__init__(lines, policy)
        self._accepted: list[tuple[int, int, Envelope, EventRecord]] = []
        self._envelopes: list[dict[str, Any]] = []

    def judge_documents(self, lines: Ints) -> None:
        """Judge whole documents, and all events in them."""
        for line, document in self._documents(lines):
            envelope = judge_envelope(document)
            self._note_times(line, envelope.received_at, envelope.latest_event_time)
            if isinstance(envelope, Refusal):
                self._refuse(line, envelope)
                continue
            self._envelopes.append(envelope_row(line, envelope))
            for index, event in enumerate(envelope.events):
                self._judge_event(line, index, envelope, event)

    def judge_events(self, line: Ints, index: Ints) -> None:
        """Judge single events, by line (ascending) and index; their envelopes are valid."""
        places = zip(line.tolist(), index.tolist(), strict=True)
        for at, mine in groupby(places, key=lambda place: place[0]):
            self._judge_some(at, [number for _, number in mine])

    def _judge_some(self, line: int, indices: list[int]) -> None:
        """Judge some events of a valid envelope; of a large one, only those are read."""
        document = self._lines[line]
        split = split_events(document) if len(document) >= WORTHWHILE_BYTES else None
        envelope = _valid_envelope(document if split is None else split.frame())
        events = envelope.events
        for index in indices:
            event = events[index] if split is None else read_event(split.events[index])
            self._judge_event(line, index, envelope, event)

    def _refuse(self, line: int, refusal: Refusal) -> None:
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

    def _judge_event(self, line: int, index: int, envelope: Envelope, event: object) -> None:
        verdict = judge_event(event, policy=self._policy)
        if isinstance(verdict, Rejection):
            self.refused.append(refused_row(line, index, envelope, verdict))
        else:
            self._accepted.append((line, index, envelope, verdict))

    def envelopes(self) -> pa.RecordBatch:
        """Return a row per envelope that was not refused as a whole."""
        return in_columns(self._envelopes, ENVELOPES)

    def rows(self) -> tuple[pa.RecordBatch, Keys]:
        """Return the accepted events, with their keys."""
        records = [accepted_row(*accepted) for accepted in self._accepted]
        rows = in_columns(records, EVENTS)
        # Both paths return JSON text as DuckDB formats it.
        if rows.num_rows:
            text = query("select json(custom_data) as text from input", rows)["text"]
            at = rows.schema.get_field_index("custom_data")
            rows = rows.set_column(at, EVENTS.field("custom_data"), text.cast(pa.string()))
        return rows, keys_in_columns(record.match_keys for _, _, _, record in self._accepted)


class JudgedImpressions(_Judged):
    """Impressions and clicks."""

    def __init__(self, lines: Lines, policy: Policy) -> None:
        """Start without any."""
        super().__init__(lines, policy)
        self._accepted: list[tuple[int, ImpressionRecord]] = []

    def judge(self, lines: Ints) -> None:
        """Judge documents."""
        for line, document in self._documents(lines):
            verdict = judge_impression(document, policy=self._policy)
            self._note_times(line, verdict.received_at, verdict.time)
            if isinstance(verdict, ImpressionRecord):
                self._accepted.append((line, verdict))
            else:
                self.refused.append(refused_impression(line, verdict))

    def rows(self) -> tuple[pa.RecordBatch, Keys]:
        """Return the accepted records, with their keys."""
        records = [
            {field.name: getattr(record, field.name, None) for field in IMPRESSIONS}
            | {
                "line": line,
                "is_click": record.type == "click",
                "received_at": or_start(record.received_at),
            }
            for line, record in self._accepted
        ]
        keys = keys_in_columns(record.match_keys for _, record in self._accepted)
        return in_columns(records, IMPRESSIONS), keys


def _valid_envelope(text: bytes) -> Envelope:
    """Return the envelope of a document that the fast path has accepted."""
    document = read_document(text)
    assert not isinstance(document, Unreadable), "the fast path accepted a broken document"
    envelope = judge_envelope(document)
    assert isinstance(envelope, Envelope), "the fast path accepted a refused envelope"
    return envelope
