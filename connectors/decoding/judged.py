"""The slow path: documents and events that the contract judges one by one.

It handles only what the fast path cannot prove. `chunk.together` combines the rows of both paths.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

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
    ImpressionRejection,
    Refusal,
    Rejection,
)
from attribution.decoded import EVENTS, IMPRESSIONS, Keys
from attribution.policy import Policy
from attribution.vocabulary import KIND_CODES, WARNING_BITS, Code
from connectors.decoding.chunk import ENVELOPES, or_start
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
                self.refused.append(_unreadable(line, document.message))
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
            self._envelopes.append(_envelope_row(line, envelope))
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
            self.refused.append(_refused_row(line, index, envelope, verdict))
        else:
            self._accepted.append((line, index, envelope, verdict))

    def envelopes(self) -> pa.RecordBatch:
        """Return a row per envelope that was not refused as a whole."""
        return _in_columns(self._envelopes, ENVELOPES)

    def rows(self) -> tuple[pa.RecordBatch, Keys]:
        """Return the accepted events, with their keys."""
        records = [_accepted_row(*accepted) for accepted in self._accepted]
        rows = _in_columns(records, EVENTS)
        # Both paths return JSON text as DuckDB formats it.
        if rows.num_rows:
            text = query("select json(custom_data) as text from input", rows)["text"]
            at = rows.schema.get_field_index("custom_data")
            rows = rows.set_column(at, EVENTS.field("custom_data"), text.cast(pa.string()))
        return rows, _keys(record.match_keys for _, _, _, record in self._accepted)


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
                self.refused.append(_refused_impression(line, verdict))

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
        keys = _keys(record.match_keys for _, record in self._accepted)
        return _in_columns(records, IMPRESSIONS), keys


def _valid_envelope(text: bytes) -> Envelope:
    """Return the envelope of a document that the fast path has accepted."""
    document = read_document(text)
    assert not isinstance(document, Unreadable), "the fast path accepted a broken document"
    envelope = judge_envelope(document)
    assert isinstance(envelope, Envelope), "the fast path accepted a refused envelope"
    return envelope


def _unreadable(line: int, message: str) -> dict[str, Any]:
    """Return the refusal of a document that cannot be read; it counts as one event."""
    return {"line": line, "code": Code.INVALID_REQUEST, "message": message, "events": 1}


def _envelope_row(line: int, envelope: Envelope) -> dict[str, Any]:
    return {
        "line": line,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "test_event_code": envelope.test_event_code,
        "events": len(envelope.events),
    }


def _accepted_row(line: int, index: int, envelope: Envelope, record: EventRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name, None) for field in EVENTS} | {
        "line": line,
        "source_index": index,
        "received_at": START,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "carries": sum(1 << KIND_CODES[kind] for kind in record.carries),
        "warnings": sum(WARNING_BITS[warning] for warning in record.warnings),
        "dropped": list(record.dropped) or None,
    }


def _refused_row(line: int, index: int, envelope: Envelope, verdict: Rejection) -> dict[str, Any]:
    return _refusal(line, verdict) | {
        "source_index": index,
        "advertiser_id": envelope.advertiser_id,
        "event_source_id": envelope.event_source_id,
        "event_type": verdict.event_type,
    }


def _refused_impression(line: int, verdict: ImpressionRejection) -> dict[str, Any]:
    return _refusal(line, verdict) | {"advertiser_id": verdict.advertiser_id}


def _refusal(line: int, verdict: Rejection | ImpressionRejection) -> dict[str, Any]:
    return {
        "line": line,
        "record_id": verdict.record_id,
        "code": verdict.code,
        "message": verdict.message,
        "field": verdict.field,
        "events": 1,
    }


def _in_columns(records: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([record[field.name] for record in records], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _keys(records: Iterable[Iterable[tuple[str, str]]]) -> Keys:
    """Return match keys in columns, as JSON text; the row is the record's number."""
    spelled = [(row, *key) for row, keys in enumerate(records) for key in sorted(keys)]
    kinds = np.array([KIND_CODES[kind] for _, kind, _ in spelled], dtype=np.uint8)
    values = pa.array([value for _, _, value in spelled], pa.string())
    if spelled:
        values = query(_AS_JSON, pa.table({"kind": kinds, "value": values}))["key"]
    return Keys(np.array([row for row, _, _ in spelled], dtype=np.int64), kinds, values)


_AS_JSON: Final = f"""
select case kind
  when {KIND_CODES["click"]} then
    to_json(replace(replace(split_part(value, ':', 1), '%3A', ':'), '%25', '%'))::varchar
    || to_json(value[instr(value, ':') + 1:])::varchar
  when {KIND_CODES["ip_ua"]} then
    to_json(split_part(value, ' ', 1))::varchar || to_json(value[instr(value, ' ') + 1:])::varchar
  else to_json(value)::varchar end as key
from input
"""
"""Converts keys of the contract, in which a colon ends the type, and a blank the address."""
