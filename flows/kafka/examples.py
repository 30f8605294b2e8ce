"""Example documents of each topic, for the AsyncAPI document.

Tests check them against the contract. All identifiers are made up.
"""

from typing import Any, Final

EMAIL: Final = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
"""The SHA-256 of a word."""

EVENTS: Final[dict[str, Any]] = {
    "advertiser_id": "12345",
    "event_source_id": "website_pixel",
    "received_at": "2026-04-26T19:30:02.120Z",
    "events": [
        {
            "event_id": "txn_abc123",
            "event_type": "purchase",
            "event_time": "2026-04-26T14:30:00-05:00",
            "action_source": "website",
            "event_source_url": "https://shop.example.com/checkout/complete",
            "user_match": {"hashed_email": EMAIL, "click_id": "c-8f2a", "click_id_type": "sc3clid"},
            "custom_data": {"value": 89.99, "currency": "USD", "order_id": "order_55512"},
        }
    ],
}

IMPRESSION: Final[dict[str, Any]] = {
    "advertiser_id": "12345",
    "impression_id": "imp_7741",
    "type": "click",
    "time": "2026-04-26T19:20:07Z",
    "received_at": "2026-04-26T19:20:08Z",
    "campaign_id": "shoes",
    "creative_id": "red_42",
    "user_match": {"click_id": "c-8f2a", "click_id_type": "sc3clid"},
}

MEASUREMENTS: Final[dict[str, Any]] = {
    "advertiser_id": "12345",
    "received_at": "2026-05-04T06:00:00Z",
    "measurements": [
        {
            "start_time": "2026-04-27T00:00:00-05:00",
            "end_time": "2026-05-04T00:00:00-05:00",
            "metric_id": "incremental_revenue",
            "metric_value": 18250.5,
            "unit": "currency",
            "currency": "USD",
            "campaign_id": "shoes",
            "source": "measurement_partner",
            "source_platform": "lift_lab",
            "external_row_id": "lift-2026-w18-shoes",
        }
    ],
}

EVENT_SOURCE: Final[dict[str, Any]] = {
    "advertiser_id": "12345",
    "event_source_id": "website_pixel",
    "name": "Shop",
    "event_types": ["purchase", "add_to_cart"],
    "allowed_domains": ["shop.example.com"],
}

_ALL: Final = dict.fromkeys(
    ("last_touch", "first_touch", "linear", "time_decay", "position_based"), "1.000000000"
)
CONVERSION: Final[dict[str, Any]] = {
    "conversion_id": "0b8d5c1f2e6a47d39f10c4b7a5e2d891",
    "advertiser_id": "12345",
    "event_source_id": "website_pixel",
    "event_type": "purchase",
    "custom_event_name": None,
    "event_id": "txn_abc123",
    "event_time": "2026-04-26T19:30:00.000000Z",
    "received_at": "2026-04-26T19:30:02.120000Z",
    "action_source": "website",
    "order_id": "order_55512",
    "value": "89.990000",
    "currency": "USD",
    "matched_on": "click",
    "touch_type": "click",
    "is_probabilistic": False,
    "match_quality": 0.94,
    "credits": [
        {
            "impression_id": "imp_7741",
            "type": "click",
            "time": "2026-04-26T19:20:07.000000Z",
            "campaign_id": "shoes",
            "media_buy_id": None,
            "package_id": None,
            "creative_id": "red_42",
            "matched_on": "click",
            "is_probabilistic": False,
            "position": 1,
            "shares": _ALL,
            "values": dict.fromkeys(_ALL, "89.990000"),
        }
    ],
}
