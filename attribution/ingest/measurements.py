"""A call of measurement data, judged: what the answer says of each of its rows.

The stream judges each row by the same contract, so one that is accepted here is not refused later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from hashlib import md5

from attribution.contract.document import JsonObject
from attribution.contract.measurement import Measurement, judge_measurement
from attribution.contract.verdicts import MeasurementCall, MeasurementRecord, Rejection

Verdicts = Sequence[MeasurementRecord | Rejection]


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row: `action` is created, updated, unchanged or failed."""

    action: str
    error: str | None = None


def judge_rows(call: MeasurementCall) -> Verdicts:
    """Judge every row of a sound call."""
    return [judge_measurement(row, call.advertiser_id) for row in call.rows]


def contents(verdicts: Verdicts) -> dict[str, str]:
    """Return a hash of the content of each accepted row by its id; the last of one id counts."""
    return {each.measurement_id: _content(each) for each in _accepted(verdicts)}


def results(verdicts: Verdicts, known: Mapping[str, str]) -> list[RowResult]:
    """Return what becomes of each row, where the rows `known` by id have these contents."""
    found, now = [], dict(known)
    for verdict in verdicts:
        if isinstance(verdict, Rejection):
            found.append(RowResult("failed", f"{verdict.code}: {verdict.message}"))
            continue
        before, content = now.get(verdict.measurement_id), _content(verdict)
        now[verdict.measurement_id] = content
        action = "created" if before is None else "unchanged" if before == content else "updated"
        found.append(RowResult(action))
    return found


def stored_rows(call: MeasurementCall) -> list[object]:
    """Return the rows as they are kept: without unknown fields, which may be personal data.

    They are judged as before.
    """
    return [_known_fields(row) if isinstance(row, JsonObject) else None for row in call.rows]


def _known_fields(row: JsonObject) -> JsonObject:
    return JsonObject([pair for pair in row.pairs if pair[0] in Measurement.model_fields])


def _accepted(verdicts: Verdicts) -> list[MeasurementRecord]:
    return [each for each in verdicts if isinstance(each, MeasurementRecord)]


def _content(record: MeasurementRecord) -> str:
    return md5(repr(astuple(record)).encode(), usedforsecurity=False).hexdigest()
