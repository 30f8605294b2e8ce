"""Impressions and clicks, field by field."""

from decimal import Decimal
from typing import Any

import pytest

from attribution.contract.impression import judge_impression
from attribution.contract.verdicts import ImpressionRecord, ImpressionRejection
from attribution.vocabulary import Code
from tests.attribution.contract.builders import (
    ABSENT,
    EMAIL,
    MICROSECONDS,
    POLICY,
    TIME,
    impression,
    repaired,
)


def judge(**changes: object) -> ImpressionRecord | ImpressionRejection:
    return judge_impression(impression(**changes), policy=POLICY)


def accept(**changes: object) -> ImpressionRecord:
    record = judge(**changes)
    assert isinstance(record, ImpressionRecord), record
    return record


def test_a_click_becomes_a_whole_record() -> None:
    assert accept(
        type="click",
        received_at="2026-05-01T08:00:01Z",
        media_buy_id="mb",
        package_id="pk",
        creative_id="cr",
        user_match={"click_id": "C1", "click_id_type": "sc3clid", "hashed_email": EMAIL},
        price=0.0125,
        currency="USD",
        unheard_of=1,
    ) == ImpressionRecord(
        advertiser_id="adv-7",
        received_at=MICROSECONDS + 1_000_000,
        impression_id="imp-1",
        type="click",
        time=MICROSECONDS,
        campaign_id="spring",
        media_buy_id="mb",
        package_id="pk",
        creative_id="cr",
        spend=Decimal("0.012500"),
        currency="USD",
        carries=frozenset({"click", "hashed_email"}),
        match_keys=frozenset({("click", "sc3clid:C1"), ("hashed_email", EMAIL)}),
        warnings=(),
        dropped=(),
    )


def test_null_is_absent_everywhere() -> None:
    optional = ("received_at", "media_buy_id", "package_id", "creative_id", "user_match", "price")
    assert accept(**dict.fromkeys(optional), currency=None) == accept(user_match=ABSENT)


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"advertiser_id": ABSENT}, "INVALID_REQUEST", "advertiser_id"),
    ({"advertiser_id": 7}, "INVALID_REQUEST", "advertiser_id"),
    ({"impression_id": ""}, "INVALID_IMPRESSION_ID", "impression_id"),
    ({"impression_id": None}, "INVALID_IMPRESSION_ID", "impression_id"),
    ({"impression_id": "i" * 257}, "INVALID_IMPRESSION_ID", "impression_id"),
    ({"type": "view"}, "INVALID_TYPE", "type"),
    ({"type": ABSENT}, "INVALID_TYPE", "type"),
    ({"time": "2026-05-01"}, "INVALID_TIME", "time"),
    ({"time": ABSENT}, "INVALID_TIME", "time"),
    ({"campaign_id": ABSENT}, "INVALID_CAMPAIGN_ID", "campaign_id"),
    ({"campaign_id": "c" * 257}, "INVALID_CAMPAIGN_ID", "campaign_id"),
    ({"media_buy_id": 1}, "INVALID_REQUEST", "media_buy_id"),
    ({"package_id": ""}, "INVALID_REQUEST", "package_id"),
    ({"creative_id": "c" * 257}, "INVALID_REQUEST", "creative_id"),
    ({"received_at": "now"}, "INVALID_REQUEST", "received_at"),
    ({"user_match": "me"}, "INVALID_REQUEST", "user_match"),
    ({"price": -0.01}, "INVALID_REQUEST", "price"),
    ({"price": "1"}, "INVALID_REQUEST", "price"),
    ({"price": 10**12, "currency": "USD"}, "INVALID_REQUEST", "price"),
    ({"price": 10**12}, "INVALID_REQUEST", "price"),
    ({"price": 1, "currency": "usd"}, "INVALID_CURRENCY", "currency"),
    ({"currency": 1}, "INVALID_CURRENCY", "currency"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED)
def test_a_bad_field_is_refused_with_its_code(
    changes: dict[str, Any], code: str, field: str
) -> None:
    rejection = judge(**changes)
    assert isinstance(rejection, ImpressionRejection)
    assert (rejection.code.value, rejection.field) == (code, field)


def test_a_rejection_keeps_what_is_valid() -> None:
    assert judge(campaign_id=4, received_at=TIME) == ImpressionRejection(
        code=Code.INVALID_CAMPAIGN_ID,
        message="campaign_id must be a string of 1 to 256 characters; got a number",
        field="campaign_id",
        record_id="imp-1",
        advertiser_id="adv-7",
        received_at=MICROSECONDS,
        time=MICROSECONDS,
    )
    assert judge(advertiser_id=[], impression_id={}, time="?") == ImpressionRejection(
        code=Code.INVALID_REQUEST,
        message="advertiser_id must be a string of 1 to 256 characters; got an array of length 0",
        field="advertiser_id",
        record_id=None,
        advertiser_id=None,
        received_at=None,
        time=None,
    )


@pytest.mark.parametrize(
    ("changes", "spend", "currency", "warnings"),
    [
        ({"price": 3}, None, None, ("missing_currency",)),
        ({"currency": "USD"}, None, None, ()),
        ({"price": 0, "currency": "USD"}, Decimal("0.000000"), "USD", ()),
        ({"price": 0.0000005, "currency": "USD"}, Decimal("0.000001"), "USD", ("value_rounded",)),
        ({"price": 0.0000005}, None, None, ("missing_currency",)),
    ],
)
def test_spend_and_currency_come_together(
    changes: dict[str, Any], spend: Decimal | None, currency: str | None, warnings: tuple[str, ...]
) -> None:
    record = accept(**changes)
    assert (record.spend, record.currency, repaired(record)) == (spend, currency, (warnings, ()))


def test_identifiers_are_repaired_as_in_events() -> None:
    record = accept(
        time="2026-05-01T07:59:60Z",
        user_match={"hashed_email": "?", "email": "me@home.example", "uids": [{"type": "x"}]},
    )
    assert repaired(record) == (
        ("event_time_clamped", "malformed_hash", "raw_pii_dropped", "invalid_uid"),
        ("user_match.email", "user_match.uids[0]", "user_match.hashed_email"),
    )
    assert record.time == MICROSECONDS - 1
