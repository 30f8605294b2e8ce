"""Accepts or refuses measurement data: aggregates that somebody else has measured.

A call holds rows; each is judged alone, so one that is refused costs no other. Nothing of a row is
repaired: an aggregate without one of its dimensions would be another aggregate.
"""

from dataclasses import asdict
from decimal import ROUND_HALF_UP, Context, Decimal
from hashlib import md5
from typing import Annotated, Any, Final

from pydantic import Field

from attribution.contract.check import FieldFault, check
from attribution.contract.rules import MEASUREMENT_RULES
from attribution.contract.shapes import Amount, CurrencyCode, Id, Shape, Time, one_of, spelled
from attribution.contract.times import parse_time
from attribution.contract.verdicts import (
    MeasurementCall,
    MeasurementRecord,
    MeasurementRefusal,
    Problem,
    Rejection,
)
from attribution.vocabulary import MEASURERS, METRICS, UNITS, Code

MAX_MEASUREMENTS: Final = 1_000
"""The most rows of one call."""

ENTITIES: Final = ("campaign_id", "media_buy_id", "package_id", "creative_id", "advertiser_id")
"""What a row may be about; one of them at least must be there."""

DECIMALS: Final = 12
_SMALLEST: Final = Decimal(1).scaleb(-DECIMALS)
_ZERO: Final = _SMALLEST * 0
_WHOLE_DIGITS: Final = 38 - DECIMALS
_CONTEXT: Final = Context(prec=60, rounding=ROUND_HALF_UP)

Name = Annotated[str, Field(min_length=1, max_length=255)]


class Measurements(Shape):
    """A call, and a document of the stream of measurements."""

    advertiser_id: Id
    received_at: Time | None = None
    measurements: Annotated[list[Any], Field(min_length=1, max_length=MAX_MEASUREMENTS)]


class Measurement(Shape):
    """One row: a metric of an entity between two instants."""

    start_time: Time
    end_time: Time
    metric_id: Annotated[str, one_of(METRICS), spelled(METRICS)]
    metric_value: Amount
    unit: Annotated[str, one_of(UNITS), spelled(UNITS)]
    currency: CurrencyCode | None = None
    advertiser_id: Id | None = None
    campaign_id: Name | None = None
    media_buy_id: Name | None = None
    package_id: Name | None = None
    creative_id: Name | None = None
    source: Annotated[str, one_of(MEASURERS), spelled(MEASURERS)] | None = None
    source_platform: Name | None = None
    source_metric_name: Name | None = None
    external_row_id: Name | None = None


def judge_measurements(document: dict[str, Any]) -> MeasurementCall | MeasurementRefusal:
    """Judge a call without its rows; the first fault in the order of `Measurements` counts."""
    checked = check(Measurements, document)
    if isinstance(checked, FieldFault):
        rows = document.get("measurements")
        received_at = parse_time(document.get("received_at"))
        return MeasurementRefusal(
            **asdict(checked.problem),
            advertiser_id=None if "advertiser_id" in checked.fields else document["advertiser_id"],
            received_at=received_at and received_at.microseconds,
            rows=max(len(rows), 1) if isinstance(rows, list) else 1,
        )
    sound = checked.model
    received_at = sound.received_at
    return MeasurementCall(
        advertiser_id=sound.advertiser_id,
        received_at=received_at and received_at.microseconds,
        rows=sound.measurements,
    )


def judge_measurement(row: object, advertiser_id: str) -> MeasurementRecord | Rejection:
    """Judge one row of a call of an advertiser; the first fault determines the code."""
    if not isinstance(row, dict):
        return _NOT_AN_OBJECT
    checked = check(Measurement, row, rules=MEASUREMENT_RULES)
    if isinstance(checked, FieldFault):
        return _reject(row, checked.problem, checked.fields)
    problem = _problem_of(checked.model, advertiser_id)
    if problem is not None:
        return _reject(row, problem, frozenset())
    return _record(checked.model, advertiser_id)


def _reject(row: dict[str, Any], problem: Problem, faulty: frozenset[str]) -> Rejection:
    return Rejection(
        **asdict(problem),
        record_id=None if "external_row_id" in faulty else row.get("external_row_id"),
    )


def _problem_of(row: Measurement, advertiser_id: str) -> Problem | None:
    """Return what is wrong between the fields of a row."""
    if row.end_time.microseconds <= row.start_time.microseconds:
        return _EMPTY_WINDOW
    if _exact(row.metric_value) is None:
        return _VALUE_TOO_LARGE
    if row.unit == "currency" and row.currency is None:
        return _CURRENCY_REQUIRED
    if row.advertiser_id not in {None, advertiser_id}:
        return _OTHER_ADVERTISER
    return None if any(getattr(row, name) for name in ENTITIES) else _MISSING_ENTITY


def _exact(given: Decimal) -> Decimal | None:
    """Return a number rounded half up to DECIMAL(38,12); None where it does not fit."""
    # Check the size before rounding: a number may have a million digits.
    if not given.is_finite() or (given and given.adjusted() >= _WHOLE_DIGITS):
        return None
    rounded = given.quantize(_SMALLEST, context=_CONTEXT) or _ZERO
    return rounded if rounded.adjusted() < _WHOLE_DIGITS else None


def _record(row: Measurement, advertiser_id: str) -> MeasurementRecord:
    value = _exact(row.metric_value)
    assert value is not None
    return MeasurementRecord(
        measurement_id=_id_of(row, advertiser_id),
        start_time=row.start_time.microseconds,
        end_time=row.end_time.microseconds,
        metric_id=row.metric_id,
        metric_value=value,
        unit=row.unit,
        currency=row.currency,
        campaign_id=row.campaign_id,
        media_buy_id=row.media_buy_id,
        package_id=row.package_id,
        creative_id=row.creative_id,
        source=row.source,
        source_platform=row.source_platform,
        source_metric_name=row.source_metric_name,
        external_row_id=row.external_row_id,
    )


def _id_of(row: Measurement, advertiser_id: str) -> str:
    """Return a hash of what identifies a row: a later row of the same id takes its place.

    That is the sender's own id of the row, among the rows of one measurer and platform; without
    one it is everything but the value.
    """
    measurer = (advertiser_id, row.source, row.source_platform)
    if row.external_row_id is not None:
        return _hash("id", *measurer, row.external_row_id)
    entity = (row.campaign_id, row.media_buy_id, row.package_id, row.creative_id)
    metric = (row.metric_id, row.unit, row.currency, row.source_metric_name)
    window = (str(row.start_time.microseconds), str(row.end_time.microseconds))
    return _hash("row", *measurer, *entity, *metric, *window)


def _hash(*parts: str | None) -> str:
    text = "|".join("" if part is None else f"{len(part)}:{part}" for part in parts)
    return md5(text.encode(), usedforsecurity=False).hexdigest()


_NOT_AN_OBJECT: Final = Rejection(
    code=Code.INVALID_REQUEST, message="a measurement must be an object", field=None
)
_EMPTY_WINDOW: Final = Problem(
    Code.INVALID_TIME, "end_time", "end_time must be later than start_time"
)
_VALUE_TOO_LARGE: Final = Problem(
    Code.INVALID_METRIC,
    "metric_value",
    "metric_value must fit DECIMAL(38,12), that is, be below 10^26",
)
_CURRENCY_REQUIRED: Final = Problem(
    Code.CURRENCY_REQUIRED, "currency", "currency must be there when unit is currency"
)
_OTHER_ADVERTISER: Final = Problem(
    Code.INVALID_REQUEST, "advertiser_id", "advertiser_id must be the advertiser of the call"
)
_MISSING_ENTITY: Final = Problem(
    Code.MISSING_ENTITY,
    None,
    f"one of {', '.join(ENTITIES)} must be there",
)
