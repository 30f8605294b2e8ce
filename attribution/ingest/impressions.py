"""A call that sends impressions and clicks, judged one by one, as the stream judges lines.

A record that is refused is not kept: the answer is all that is said of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from attribution.contract.document import JsonObject, Unreadable, read_document, write_document
from attribution.contract.impression import judge_impression
from attribution.contract.verdicts import ImpressionRecord
from attribution.ingest.log_event import json_pointer, mean_quality
from attribution.ingest.scrub import scrubbed_record
from attribution.policy import Policy
from attribution.quality import QUALITY_STEPS, quality
from attribution.vocabulary import KIND_CODES, Code, Warn

RECORDS_MAX: Final = 10_000
"""Of one call, as many as events."""

SET_BY_SERVER: Final = ("advertiser_id", "received_at")
"""Keys that a sender cannot set: the path and the clock of the server do."""


class KeptRecord(NamedTuple):
    """An accepted record as the line that is kept, without its arrival."""

    impression_id: str
    line: bytes


@dataclass(frozen=True, slots=True)
class RecordFailure:
    """One refused record; without a valid id it is named by its index, `record_3`."""

    impression_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RecordsVerdict:
    """What became of the records of a call; see `CallVerdict` for warnings and match quality."""

    kept: tuple[KeptRecord, ...]
    failures: tuple[RecordFailure, ...]
    warnings: Mapping[Warn, int]
    match_quality: float

    @property
    def received(self) -> int:
        """How many records were sent."""
        return len(self.kept) + len(self.failures)


def judge_records(
    records: Sequence[JsonObject | Unreadable], advertiser_id: str, policy: Policy
) -> RecordsVerdict:
    """Judge what `read_document` or `read_array` made of each record of a call."""
    kept: list[KeptRecord] = []
    failures: list[RecordFailure] = []
    warnings: Counter[Warn] = Counter()
    total = 0
    for index, given in enumerate(records):
        if isinstance(given, Unreadable):
            name = f"record_{index}"
            failures.append(_failure(index, name, Code.INVALID_REQUEST, given.message, None))
            continue
        record = _of_advertiser(given, advertiser_id)
        verdict = judge_impression(record, policy=policy)
        if isinstance(verdict, ImpressionRecord):
            kept.append(KeptRecord(verdict.impression_id, write_document(scrubbed_record(record))))
            warnings.update(verdict.warnings)
            carries = sum(1 << KIND_CODES[kind] for kind in verdict.carries)
            total += round(quality(carries, policy) * QUALITY_STEPS)
        else:
            name = verdict.record_id or f"record_{index}"
            failures.append(_failure(index, name, verdict.code, verdict.message, verdict.field))
    quality_of_all = mean_quality(total, len(kept))
    return RecordsVerdict(tuple(kept), tuple(failures), warnings, quality_of_all)


def _of_advertiser(given: JsonObject, advertiser_id: str) -> JsonObject:
    """Return the record as it is kept: of this advertiser, whatever it says itself."""
    own = [pair for pair in given.pairs if pair[0] not in SET_BY_SERVER]
    record = JsonObject([("advertiser_id", advertiser_id), *own])
    if not given.has_halves:
        return record
    again = read_document(write_document(record))  # marks what still has halves
    assert isinstance(again, JsonObject), "a record that was read can be read again"
    return again


def _failure(
    index: int, impression_id: str, code: str, message: str, field: str | None
) -> RecordFailure:
    place = f"/{index}" + json_pointer(field)
    return RecordFailure(impression_id, code, f"{message} (at {place})")
