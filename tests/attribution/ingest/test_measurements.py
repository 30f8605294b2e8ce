"""What a call of measurement data answers, and what is kept of it."""

from typing import Any

from attribution.contract.document import JsonObject, dump_json
from attribution.contract.measurement import judge_measurements
from attribution.contract.verdicts import MeasurementCall
from attribution.ingest.measurements import contents, judge_rows, results, stored_rows
from tests.attribution.contract.test_measurement import document_of
from tests.support import raw


def call_of(*rows: object) -> MeasurementCall:
    call = judge_measurements(document_of(raw.measurements(*rows)))
    assert isinstance(call, MeasurementCall)
    return call


def actions(known: dict[str, str], *rows: object) -> list[str]:
    """Send rows, and take them into what is known."""
    verdicts = judge_rows(call_of(*rows))
    found = results(verdicts, known)
    known.update(contents(verdicts))
    return [each.action for each in found]


def test_a_row_is_created_then_unchanged_then_updated() -> None:
    known: dict[str, str] = {}
    one, other = raw.measurement(), raw.measurement(metric_value=7)
    assert actions(known, one) == ["created"]
    assert actions(known, one) == ["unchanged"]
    assert actions(known, other) == ["updated"]
    assert actions(known, other, raw.measurement(campaign_id="b")) == ["unchanged", "created"]


def test_rows_of_one_call_follow_each_other() -> None:
    known: dict[str, str] = {}
    one, other = raw.measurement(), raw.measurement(metric_value=7)
    assert actions(known, one, one, other, one) == ["created", "unchanged", "updated", "updated"]
    assert actions(known, one) == ["unchanged"]


def test_another_spelling_changes_nothing_and_a_correction_does() -> None:
    known: dict[str, str] = {}
    row: dict[str, Any] = raw.measurement(external_row_id="row")
    assert actions(known, row) == ["created"]
    assert actions(known, row | {"metric_value": 100.0, "note": "again"}) == ["unchanged"]
    assert actions(known, row | {"campaign_id": "other"}) == ["updated"]


def test_one_refused_row_costs_no_other() -> None:
    verdicts = judge_rows(call_of(raw.measurement(), raw.measurement(currency=None), 7))
    assert [(each.action, each.error) for each in results(verdicts, {})] == [
        ("created", None),
        ("failed", "CURRENCY_REQUIRED: currency must be there when unit is currency"),
        ("failed", "INVALID_REQUEST: a measurement must be an object"),
    ]


def test_unknown_fields_are_not_kept_and_the_verdict_stays() -> None:
    row = raw.measurement(email="jane@example.com", metric_value=0.10)
    call = call_of(row, "jane@example.com", {"email": "jane@example.com"})
    kept = stored_rows(call)
    assert "jane" not in dump_json(kept)
    again = MeasurementCall(advertiser_id="adv", received_at=None, rows=kept)
    assert judge_rows(again) == judge_rows(call)
    assert isinstance(kept[0], JsonObject)
    assert list(kept[0]) == list(raw.measurement())
