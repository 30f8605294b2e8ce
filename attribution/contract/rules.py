"""What happens to a record with an invalid field: refused, or repaired by dropping the field.

The models define what is valid; this table alone maps each failed check to a code and a message, or
to a repair. A path omits positions in arrays: `custom_data.contents[].price`. The longest path
listed here that matches a fault applies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from attribution.vocabulary import ACTION_SOURCES, MEASURERS, METRICS, UNITS, Code, Warn


@dataclass(frozen=True, slots=True)
class Refuse:
    """The record is refused; the message says that the field must be `expected`."""

    code: Code
    expected: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The field (and a neighbour that is meaningless without it) is dropped with a warning."""

    warning: Warn
    neighbour: str | None = None


Verdict = Refuse | Drop
Rules = Mapping[str, Mapping[str, Verdict]]
"""By path, and there by the kind of fault."""

MISSING: Final = "missing"
OTHERWISE: Final = "*"
_TOO_LONG: Final = "string_too_long"


def _always(verdict: Verdict) -> Mapping[str, Verdict]:
    return {OTHERWISE: verdict}


def _request(expected: str) -> Mapping[str, Verdict]:
    return _always(Refuse(Code.INVALID_REQUEST, expected))


def _custom_data(expected: str) -> Mapping[str, Verdict]:
    return _always(Refuse(Code.INVALID_CUSTOM_DATA, expected))


def _custom_text(expected: str) -> Mapping[str, Verdict]:
    return {_TOO_LONG: Drop(Warn.FIELD_TOO_LONG), **_custom_data(expected)}


_ID: Final = "a string of 1 to 256 characters"
_TIME: Final = "a time of RFC 3339 with an offset, such as 2026-04-26T14:30:00-05:00"
_CURRENCY: Final = _always(Refuse(Code.INVALID_CURRENCY, "three capital letters of ISO 4217"))
_EVENT_TYPE: Final = "an event type of the log-event guide or of AdCP, spelt in lower case"
_HASH: Final[Mapping[str, Verdict]] = {
    "raw_pii": Drop(Warn.RAW_PII_DROPPED),
    "malformed_hash": Drop(Warn.MALFORMED_HASH),
    OTHERWISE: Drop(Warn.MALFORMED_HASH),
}

RULES: Final[Rules] = {
    # Envelopes, and the fields that impressions share with them.
    "advertiser_id": _request(_ID),
    "event_source_id": _request(_ID),
    "received_at": _request(_TIME),
    "events": _request("an array of 1 to 10,000 events"),
    "test_event_code": _request(_ID),
    "idempotency_key": _request("16 to 255 of the characters A-Z a-z 0-9 _ . : -"),
    "adcp_version": _request("a release such as 3.1"),
    "adcp_major_version": _request("an integer from 1 to 99"),
    # Events.
    "event_id": _always(Refuse(Code.INVALID_EVENT_ID, _ID)),
    "event_type": {
        MISSING: Refuse(Code.MISSING_EVENT_TYPE, _EVENT_TYPE),
        OTHERWISE: Refuse(Code.INVALID_EVENT_TYPE, _EVENT_TYPE),
    },
    "event_time": _always(Refuse(Code.INVALID_EVENT_TIME, _TIME)),
    "custom_event_name": _request("a string of at most 256 characters"),
    "action_source": _always(
        Refuse(Code.INVALID_ACTION_SOURCE, f"one of {', '.join(ACTION_SOURCES)}")
    ),
    "event_source_url": _always(Refuse(Code.INVALID_EVENT_SOURCE_URL, "an absolute URL")),
    "surface": _always(Drop(Warn.INVALID_SURFACE)),
    # Identifiers: a bad one never costs the record.
    "user_match": _request("an object"),
    "user_match.uids": _always(Drop(Warn.INVALID_UID)),
    "user_match.uids[]": {**_HASH, OTHERWISE: Drop(Warn.INVALID_UID)},
    "user_match.hashed_email": _HASH,
    "user_match.hashed_phone": _HASH,
    "user_match.click_id": {
        "string_too_short": Drop(Warn.EMPTY_IDENTIFIER),
        OTHERWISE: Drop(Warn.INVALID_CLICK_ID),
    },
    "user_match.click_id_type": _always(Drop(Warn.INVALID_CLICK_ID, neighbour="click_id")),
    "user_match.client_ip": _always(Drop(Warn.INVALID_CLIENT_IP)),
    "user_match.client_user_agent": {
        "string_too_short": Drop(Warn.EMPTY_IDENTIFIER),
        OTHERWISE: Drop(Warn.INSUFFICIENT_PROBABILISTIC_PAIR),
    },
    # Custom data of an event.
    "custom_data": _custom_data("an object"),
    "custom_data.value": _custom_data("a number"),
    "custom_data.currency": _CURRENCY,
    "custom_data.order_id": _custom_text("a string"),
    "custom_data.content_ids": _custom_data("an array of strings"),
    "custom_data.content_ids[]": _custom_data("a string of at most 256 characters"),
    "custom_data.content_type": _custom_text("a string"),
    "custom_data.content_name": _custom_text("a string"),
    "custom_data.content_category": _custom_text("a string"),
    "custom_data.search_string": _custom_text("a string"),
    "custom_data.num_items": _custom_data("an integer from 0 to 2^63-1"),
    "custom_data.progress_percent": _custom_data("a number from 0 to 100"),
    "custom_data.progress_seconds": _custom_data("a number from 0"),
    "custom_data.contents": _custom_data("an array of objects"),
    "custom_data.contents[]": _custom_data("an object"),
    "custom_data.contents[].id": _custom_text("a string"),
    "custom_data.contents[].quantity": _custom_data("an integer from 1"),
    "custom_data.contents[].price": {
        "greater_than_equal": Drop(Warn.NEGATIVE_PRICE),
        **_custom_data("a number"),
    },
    "custom_data.contents[].brand": _custom_text("a string"),
    # Calls of measurement data.
    "measurements": _request("an array of 1 to 1,000 measurements"),
    # Impressions and clicks.
    "impression_id": _always(Refuse(Code.INVALID_IMPRESSION_ID, _ID)),
    "type": _always(Refuse(Code.INVALID_TYPE, "impression or click")),
    "time": _always(Refuse(Code.INVALID_TIME, _TIME)),
    "campaign_id": _always(Refuse(Code.INVALID_CAMPAIGN_ID, _ID)),
    "media_buy_id": _request(_ID),
    "package_id": _request(_ID),
    "creative_id": _request(_ID),
    "price": _request("a number from 0 that fits DECIMAL(18,6)"),
    "currency": _CURRENCY,
}

_NAME: Final = _request("a string of 1 to 255 characters")
_METRIC: Final = "one of " + ", ".join(METRICS)

MEASUREMENT_RULES: Final[Rules] = {
    "start_time": _always(Refuse(Code.INVALID_TIME, _TIME)),
    "end_time": _always(Refuse(Code.INVALID_TIME, _TIME)),
    "metric_id": _always(Refuse(Code.INVALID_METRIC, _METRIC)),
    "metric_value": _always(Refuse(Code.INVALID_METRIC, "a number")),
    "unit": _always(Refuse(Code.INVALID_METRIC, f"one of {', '.join(UNITS)}")),
    "currency": _CURRENCY,
    "advertiser_id": _request(_ID),
    "campaign_id": _NAME,
    "media_buy_id": _NAME,
    "package_id": _NAME,
    "creative_id": _NAME,
    "source": _request(f"one of {', '.join(MEASURERS)}"),
    "source_platform": _NAME,
    "source_metric_name": _NAME,
    "external_row_id": _NAME,
}
"""Of the rows of measurement data, whose ids have other bounds than those of impressions."""
