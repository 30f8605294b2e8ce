"""The answer about a delivery as a JSON Schema with an example, for OpenAPI.

It is what all releases of AdCP since 3.0 have in common, as far as this API fills it.
"""

from typing import Final

from attribution.vocabulary import ACTION_SOURCES, EVENT_TYPES, NONSTANDARD_EVENT_TYPES
from connectors.api.reads.delivery_request import STANDARD_MODELS
from connectors.api.reads.schemas import AMOUNT, AS_OF, AS_OF_EXAMPLE, COUNT, TEXT, TIME
from connectors.api.schemas import Json

_CURRENCY: Final[Json] = {"type": "string", "pattern": "^[A-Z]{3}$"}
_EVENT_TYPES: Final = [each for each in EVENT_TYPES if each not in NONSTANDARD_EVENT_TYPES]


def _by(name: str, words: list[str]) -> Json:
    properties = {name: {"enum": words}, "event_source_id": TEXT, "count": AMOUNT, "value": AMOUNT}
    return {
        "type": "array",
        "items": {"type": "object", "required": [name, "count"], "properties": properties},
    }


METRICS: Final[Json] = {
    "impressions": COUNT,
    "clicks": COUNT,
    "ctr": {"type": "number", "minimum": 0, "maximum": 1},
    "conversions": {**AMOUNT, "description": "Shares of conversions, under the model"},
    "spend": {**AMOUNT, "description": "Sum of the prices of impressions and clicks"},
    "conversion_value": AMOUNT,
    "roas": {**AMOUNT, "description": "Only where there is spend"},
    "cost_per_acquisition": {**AMOUNT, "description": "Only with spend and conversions"},
}
_KINDS: Final[Json] = {
    "by_event_type": _by("event_type", _EVENT_TYPES),
    "by_action_source": _by("action_source", list(ACTION_SOURCES)),
}
_DAYS: Final[Json] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["date", "impressions", "spend"],
        "properties": {"date": {"type": "string", "format": "date"}, **METRICS},
    },
}
_FINALITY: Final[Json] = {
    "is_final": {"type": "boolean", "description": "False while conversions may still come"},
    "finalized_at": TIME,
}

_CREATIVE: Final[Json] = {
    "type": "object",
    "required": ["creative_id", "impressions", "spend"],
    "properties": {"creative_id": TEXT, **METRICS},
}
_PACKAGE: Final[Json] = {
    "type": "object",
    "required": ["package_id", "spend", "pricing_model", "rate", "currency"],
    "properties": {
        "package_id": TEXT,
        **METRICS,
        **_KINDS,
        **_FINALITY,
        "pricing_model": {"enum": ["cpm", "cpc"]},
        "rate": {**AMOUNT, "description": "In effect: spend by impressions or clicks"},
        "currency": {**_CURRENCY, "description": "XXX without any money"},
        "by_creative": {"type": "array", "items": _CREATIVE},
        "by_creative_truncated": {"type": "boolean"},
        "by_creative_sorted_by": TEXT,
        "by_creative_sort_direction": TEXT,
        "daily_breakdown": _DAYS,
    },
}
_MEDIA_BUY: Final[Json] = {
    "type": "object",
    "required": ["media_buy_id", "status", "totals", "by_package", "is_final"],
    "properties": {
        "media_buy_id": TEXT,
        "status": {"const": "active"},
        "currency": {**_CURRENCY, "description": "Absent where there are several"},
        **_FINALITY,
        "totals": {"type": "object", "properties": {**METRICS, **_KINDS}},
        "by_package": {"type": "array", "items": _PACKAGE},
        "daily_breakdown": _DAYS,
        "ext": {"type": "object"},
    },
}
_DURATION: Final[Json] = {
    "type": "object",
    "required": ["interval", "unit"],
    "properties": {"interval": COUNT, "unit": {"enum": ["seconds", "minutes", "hours", "days"]}},
}

DELIVERED: Final[Json] = {
    "type": "object",
    "required": ["status", "reporting_period", "attribution_window", "media_buy_deliveries"],
    "properties": {
        "status": {"const": "completed"},
        "reporting_period": {
            "type": "object",
            "required": ["start", "end", "timezone"],
            "properties": {
                "start": TIME,
                "end": {**TIME, "description": "Itself outside"},
                "timezone": {"const": "UTC"},
            },
        },
        "currency": _CURRENCY,
        "attribution_window": {
            "type": "object",
            "required": ["post_click", "post_view", "model"],
            "properties": {
                "post_click": _DURATION,
                "post_view": _DURATION,
                "model": {"enum": list(STANDARD_MODELS)},
            },
        },
        "media_buy_deliveries": {"type": "array", "items": _MEDIA_BUY},
        "ext": {"type": "object", "properties": {"tributary": {"properties": {"as_of": AS_OF}}}},
    },
}

_EARNED: Final[Json] = {
    "impressions": 5000,
    "clicks": 100,
    "ctr": 0.02,
    "conversions": 4,
    "spend": 50,
    "conversion_value": 360,
    "roas": 7.2,
    "cost_per_acquisition": 12.5,
    "by_event_type": [
        {"event_type": "purchase", "event_source_id": "website_pixel", "count": 4, "value": 360}
    ],
    "by_action_source": [
        {"action_source": "website", "event_source_id": "website_pixel", "count": 4, "value": 360}
    ],
}

DELIVERED_EXAMPLE: Final[Json] = {
    "status": "completed",
    "reporting_period": {
        "start": "2026-04-20T00:00:00.000000Z",
        "end": "2026-04-27T00:00:00.000000Z",
        "timezone": "UTC",
    },
    "attribution_window": {
        "post_click": {"interval": 30, "unit": "days"},
        "post_view": {"interval": 1, "unit": "days"},
        "model": "last_touch",
    },
    "currency": "USD",
    "media_buy_deliveries": [
        {
            "media_buy_id": "mb_1",
            "status": "active",
            "currency": "USD",
            "is_final": False,
            "totals": _EARNED,
            "by_package": [
                {
                    "package_id": "pkg_1",
                    **_EARNED,
                    "currency": "USD",
                    "pricing_model": "cpm",
                    "rate": 10,
                    "is_final": False,
                    "by_creative": [],
                }
            ],
        }
    ],
    "ext": {"tributary": {"as_of": AS_OF_EXAMPLE}},
}
