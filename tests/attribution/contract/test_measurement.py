"""Which rows of measurement data are accepted, and what identifies them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from attribution.contract.document import JsonObject, read_document
from attribution.contract.measurement import judge_measurement, judge_measurements
from attribution.contract.verdicts import (
    MeasurementCall,
    MeasurementRecord,
    MeasurementRefusal,
    Rejection,
)
from tests.support import raw


def document_of(given: object) -> JsonObject:
    """Write an object as JSON and read it as the streams do."""
    text = given if isinstance(given, str) else json.dumps(given)
    document = read_document(text.encode())
    assert isinstance(document, JsonObject)
    return document


def accept(row: object = None, **fields: object) -> MeasurementRecord:
    verdict = judge_measurement(document_of(row or raw.measurement(**fields)), "adv")
    assert isinstance(verdict, MeasurementRecord), verdict
    return verdict


def refuse(**fields: object) -> tuple[str, str | None]:
    verdict = judge_measurement(document_of(raw.measurement() | fields), "adv")
    assert isinstance(verdict, Rejection), verdict
    return verdict.code, verdict.field


def test_a_full_row_keeps_every_field() -> None:
    names = ("campaign_id", "media_buy_id", "package_id", "creative_id", "source_platform")
    texts = {name: name[:5] for name in (*names, "source_metric_name", "external_row_id")}
    record = accept(**texts, source="mmp", advertiser_id="adv", unknown={"email": "x"})
    assert {name: getattr(record, name) for name in texts} == texts
    assert (record.start_time, record.end_time) == (
        raw.since_epoch(raw.NOW - 7 * raw.DAY),
        raw.since_epoch(raw.NOW),
    )
    assert (record.metric_id, record.metric_value) == ("revenue", Decimal(100))
    assert (record.unit, record.currency, record.source) == ("currency", "EUR", "mmp")


@pytest.mark.parametrize(
    "fields",
    [
        {"unit": "count", "currency": None},
        {"unit": "ratio"},
        {"metric_value": -3},
        {"metric_id": "ltv_30d"},
        {"campaign_id": "x" * 255},
        {"campaign_id": None, "creative_id": "c"},
        {"campaign_id": None, "advertiser_id": "adv"},
        {"start_time": "2026-04-27T00:00-05:00", "end_time": "2026-04-27T05:00:00.000001Z"},
    ],
)
def test_accepted(fields: dict[str, object]) -> None:
    accept(**fields)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"start_time": "2026-04-27"}, "INVALID_TIME", "start_time"),
        ({"start_time": "2026-04-27T00:00:00"}, "INVALID_TIME", "start_time"),
        ({"start_time": None}, "INVALID_TIME", "start_time"),
        ({"end_time": 1_777_000_000}, "INVALID_TIME", "end_time"),
        ({"end_time": raw.written(raw.NOW - 7 * raw.DAY)}, "INVALID_TIME", "end_time"),
        ({"end_time": raw.written(raw.NOW - 8 * raw.DAY)}, "INVALID_TIME", "end_time"),
        ({"metric_id": "clicks"}, "INVALID_METRIC", "metric_id"),
        ({"metric_id": "Revenue"}, "INVALID_METRIC", "metric_id"),
        ({"metric_value": "100"}, "INVALID_METRIC", "metric_value"),
        ({"metric_value": True}, "INVALID_METRIC", "metric_value"),
        ({"metric_value": None}, "INVALID_METRIC", "metric_value"),
        ({"unit": "EUR"}, "INVALID_METRIC", "unit"),
        ({"currency": "eur"}, "INVALID_CURRENCY", "currency"),
        ({"currency": None}, "CURRENCY_REQUIRED", "currency"),
        ({"campaign_id": ""}, "INVALID_REQUEST", "campaign_id"),
        ({"campaign_id": "x" * 256}, "INVALID_REQUEST", "campaign_id"),
        ({"campaign_id": 7}, "INVALID_REQUEST", "campaign_id"),
        ({"campaign_id": "\ud83d"}, "INVALID_REQUEST", "campaign_id"),
        ({"campaign_id": None}, "MISSING_ENTITY", None),
        ({"advertiser_id": "other"}, "INVALID_REQUEST", "advertiser_id"),
        ({"source": "agency"}, "INVALID_REQUEST", "source"),
        ({"external_row_id": "x" * 256}, "INVALID_REQUEST", "external_row_id"),
    ],
)
def test_refused(fields: dict[str, object], code: str, field: str | None) -> None:
    assert refuse(**fields) == (code, field)


def test_a_refusal_names_the_row_where_it_can() -> None:
    for external, told in (("row 7", "row 7"), (None, None), (7, None)):
        row = document_of(raw.measurement(unit="?") | {"external_row_id": external})
        verdict = judge_measurement(row, "adv")
        assert isinstance(verdict, Rejection)
        assert verdict.record_id == told


@pytest.mark.parametrize("row", [None, 7, "row", [], True])
def test_what_is_no_object_is_refused(row: object) -> None:
    verdict = judge_measurement(row, "adv")
    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.field) == ("INVALID_REQUEST", None)


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("0.1", "0.100000000000"),
        ("-0", "0.000000000000"),
        ("0.0000000000005", "0.000000000001"),
        ("-0.0000000000005", "-0.000000000001"),
        ("1e25", "10000000000000000000000000.000000000000"),
        ("99999999999999999999999999.9999999999994", "99999999999999999999999999.999999999999"),
        ("99999999999999999999999999.9999999999995", None),
        ("1e26", None),
        ("-1e999999999999999999999", None),
        ("1e-999999999999999999999", "0.000000000000"),
    ],
)
def test_a_value_is_rounded_to_twelve_decimals(token: str, value: str | None) -> None:
    text = json.dumps(raw.measurement(metric_value=77)).replace("77", token)
    verdict = judge_measurement(document_of(text), "adv")
    if value is None:
        assert isinstance(verdict, Rejection)
        assert verdict.field == "metric_value"
    else:
        assert isinstance(verdict, MeasurementRecord)
        assert f"{verdict.metric_value:f}" == value


SAME: list[dict[str, Any]] = [
    {"metric_value": 5},
    {"start_time": "2026-05-03T19:00:00-05:00"},
    {"advertiser_id": "adv"},
    {"unknown": 1},
]
OTHER: list[dict[str, Any]] = [
    {"start_time": raw.written(raw.NOW - raw.DAY)},
    {"end_time": raw.written(raw.NOW + 1)},
    {"metric_id": "conversions"},
    {"unit": "ratio"},
    {"currency": "USD"},
    {"campaign_id": "other"},
    {"campaign_id": None, "media_buy_id": "cmp"},
    {"package_id": "p"},
    {"creative_id": "c"},
    {"source": "mmp"},
    {"source_platform": "lab"},
    {"source_metric_name": "rev"},
    {"external_row_id": "row"},
]


@pytest.mark.parametrize("fields", SAME)
def test_a_row_is_the_same_but_for_its_value(fields: dict[str, Any]) -> None:
    assert accept(**fields).measurement_id == accept().measurement_id


def test_every_other_field_makes_another_row() -> None:
    ids = [accept(**fields).measurement_id for fields in ({}, *OTHER)]
    assert len(set(ids)) == len(ids)
    other = judge_measurement(document_of(raw.measurement()), "other")
    assert isinstance(other, MeasurementRecord)
    assert other.measurement_id not in ids


@pytest.mark.parametrize("fields", [*SAME, *OTHER[:8], OTHER[11]])
def test_with_an_id_of_its_own_that_alone_counts(fields: dict[str, Any]) -> None:
    row = accept(external_row_id="row")
    assert accept(**(fields | {"external_row_id": "row"})).measurement_id == row.measurement_id


def test_the_own_id_belongs_to_a_measurer_and_platform() -> None:
    makers: tuple[dict[str, Any], ...] = ({}, {"source": "mmp"}, {"source_platform": "mmp"})
    ids = {accept(external_row_id="row", **maker).measurement_id for maker in makers}
    assert len(ids) == len(makers)


def test_a_sound_call_keeps_its_rows_unjudged() -> None:
    rows: list[object] = [raw.measurement(), None, {"unit": 1}]
    assert judge_measurements(document_of(raw.measurements(*rows))) == MeasurementCall(
        advertiser_id="adv", received_at=raw.since_epoch(raw.NOW), rows=rows
    )


@pytest.mark.parametrize(
    ("fields", "field", "rows"),
    [
        ({"measurements": []}, "measurements", 1),
        ({"measurements": [None] * 1_001}, "measurements", 1_001),
        ({"measurements": {}}, "measurements", 1),
        ({"measurements": None}, "measurements", 1),
        ({"advertiser_id": ""}, "advertiser_id", 2),
        ({"received_at": "yesterday"}, "received_at", 2),
    ],
)
def test_a_call_that_is_refused(fields: dict[str, object], field: str, rows: int) -> None:
    verdict = judge_measurements(document_of(raw.measurements(None, None) | fields))
    assert isinstance(verdict, MeasurementRefusal)
    assert (verdict.code, verdict.field, verdict.rows) == ("INVALID_REQUEST", field, rows)
    assert verdict.advertiser_id == (None if field == "advertiser_id" else "adv")


def test_a_thousand_rows_are_one_call() -> None:
    document = document_of(raw.measurements(*[None] * 1_000))
    assert isinstance(judge_measurements(document), MeasurementCall)
