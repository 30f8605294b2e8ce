"""Accepts (perhaps repairs) or refuses one served impression or click.

The result depends on the record's own fields, not on partition or offset.
"""

from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from attribution.contract.check import FieldFault, check, without
from attribution.contract.halves import mend_halves
from attribution.contract.money import to_money
from attribution.contract.shapes import Amount, CurrencyCode, Id, Shape, Time
from attribution.contract.times import parse_time
from attribution.contract.user_match import UserMatch, find_raw_pii, identify
from attribution.contract.verdicts import ImpressionRecord, ImpressionRejection, Problem, in_order
from attribution.policy import Policy
from attribution.vocabulary import Code, Warn


class Impression(Shape):
    """A record of the impressions stream as it is on the wire."""

    advertiser_id: Id
    impression_id: Id
    type: Literal["impression", "click"]
    time: Time
    campaign_id: Id
    media_buy_id: Id | None = None
    package_id: Id | None = None
    creative_id: Id | None = None
    received_at: Time | None = None
    user_match: UserMatch | None = None
    price: Annotated[Amount, Field(ge=0)] | None = None
    currency: CurrencyCode | None = None


def judge_impression(
    document: dict[str, Any],
    *,
    policy: Policy,  # noqa: ARG001 - every judge is called alike; no rule of impressions varies yet
) -> ImpressionRecord | ImpressionRejection:
    """Judge one document of the impressions stream; the first fault determines the code."""
    readable = mend_halves(document, _NO_HALVES_IN)
    pii = find_raw_pii(readable.get("user_match"))
    given = without(readable, [repair.path for repair in pii]) if pii else readable
    checked = check(Impression, given)
    if isinstance(checked, FieldFault):
        return _reject(document, checked.problem, checked.fields)
    sound = checked.model
    price = None if sound.price is None else to_money(sound.price)
    if price is None and sound.price is not None:
        return _reject(document, _PRICE_TOO_LARGE, frozenset())
    has_spend = price is not None and sound.currency is not None
    repairs = (*pii, *checked.repairs)
    identity = identify(sound.user_match, repairs)
    found = {
        Warn.INVALID_UNICODE: readable is not document,
        Warn.EVENT_TIME_CLAMPED: sound.time.clamped,
        Warn.MISSING_CURRENCY: price is not None and not has_spend,
        Warn.VALUE_ROUNDED: has_spend and price is not None and price.rounded,
    }
    warnings = [warning for warning, holds in found.items() if holds]
    return ImpressionRecord(
        advertiser_id=sound.advertiser_id,
        received_at=sound.received_at and sound.received_at.microseconds,
        impression_id=sound.impression_id,
        type=sound.type,
        time=sound.time.microseconds,
        campaign_id=sound.campaign_id,
        media_buy_id=sound.media_buy_id,
        package_id=sound.package_id,
        creative_id=sound.creative_id,
        spend=price.amount if price and has_spend else None,
        currency=sound.currency if has_spend else None,
        carries=identity.carries,
        match_keys=identity.match_keys,
        warnings=in_order((*warnings, *identity.warnings, *(repair.warning for repair in repairs))),
        dropped=tuple(repair.field for repair in repairs),
    )


def _reject(
    document: dict[str, Any], problem: Problem, faulty: frozenset[str]
) -> ImpressionRejection:
    time, received_at = parse_time(document.get("time")), parse_time(document.get("received_at"))
    return ImpressionRejection(
        **asdict(problem),
        record_id=None if "impression_id" in faulty else document["impression_id"],
        advertiser_id=None if "advertiser_id" in faulty else document["advertiser_id"],
        received_at=received_at and received_at.microseconds,
        time=time and time.microseconds,
    )


_NO_HALVES_IN: Final = frozenset(
    {
        "advertiser_id",
        "impression_id",
        "campaign_id",
        "media_buy_id",
        "package_id",
        "creative_id",
        "user_match",
    }
)
"""Fields that identify the record and its user: never mended."""
_PRICE_TOO_LARGE: Final = Problem(
    Code.INVALID_REQUEST, "price", "price must fit DECIMAL(18,6), that is, be below 10^12"
)
