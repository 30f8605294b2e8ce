"""Answers of the read routes as JSON Schemas with an example each, for OpenAPI."""

from typing import Final

from attribution.vocabulary import MODELS
from connectors.api.schemas import Json

TEXT: Final[Json] = {"type": "string"}
TIME: Final[Json] = {"type": "string", "format": "date-time"}
TEXT_OR_NULL: Final[Json] = {"type": ["string", "null"]}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
AMOUNT: Final[Json] = {"type": "number", "minimum": 0}

AS_OF: Final[Json] = {
    "type": ["object", "null"],
    "description": "The commit of the job that answers; null where there is none",
    "properties": {
        "commit": COUNT,
        "committed_at": TIME,
        "watermark": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "Whatever was received before it has been read",
        },
    },
}
AS_OF_EXAMPLE: Final[Json] = {
    "commit": 512,
    "committed_at": "2026-04-26T19:30:03.100000Z",
    "watermark": "2026-04-26T19:30:02.900000Z",
}

_BY_MODEL: Final[Json] = {
    "type": "object",
    "properties": {model: {"type": ["number", "null"]} for model in MODELS},
}

CREDIT: Final[Json] = {
    "type": "object",
    "required": ["position", "type", "time", "shares"],
    "properties": {
        "position": {**COUNT, "description": "Place in the path, 1 = earliest"},
        "type": {"enum": ["click", "impression"]},
        "time": TIME,
        "campaign_id": TEXT_OR_NULL,
        "media_buy_id": TEXT_OR_NULL,
        "package_id": TEXT_OR_NULL,
        "creative_id": TEXT_OR_NULL,
        "matched_on": {**TEXT, "description": "Kind of identifier, never an identifier"},
        "is_probabilistic": {"type": "boolean"},
        "shares": {**_BY_MODEL, "description": "Of the conversion, by model"},
        "values": {**_BY_MODEL, "description": "Money in currency, by model"},
        "currency": TEXT,
    },
}

EVENT_RECEIPT: Final[Json] = {
    "type": "object",
    "required": ["event_source_id", "event_type", "state", "durable"],
    "properties": {
        "event_source_id": TEXT,
        "event_type": {"type": "string"},
        "custom_event_name": TEXT,
        "state": {
            "enum": ["stored", "read", "provisional", "final", "refused", "test"],
            "description": "stored: on disk, not read by the job; read: its outcome is not known "
            "yet; provisional: late touchpoints may still change it; final: it never changes",
        },
        "durable": {"type": "boolean", "description": "It is on disk and survives a crash"},
        "read": {
            "type": "boolean",
            "description": "The job has read it; absent where no job or result can be asked",
        },
        "event_time": TIME,
        "received_at": TIME,
        "place": {**TEXT, "description": "Where it lies in the log, as in Tributary-Receipt"},
        "outcome": {
            "enum": ["attributed", "unattributed", "observed", "rejected", "test"],
        },
        "reason": {**TEXT, "description": "Why unattributed"},
        "refusal": {
            "type": "object",
            "properties": {"code": TEXT, "message": TEXT, "field": TEXT_OR_NULL},
        },
        "value": {"type": "number"},
        "currency": TEXT,
        "matched_on": TEXT,
        "touch_type": {"enum": ["click", "view"]},
        "is_probabilistic": {"type": "boolean"},
        "warnings": {"type": "array", "items": TEXT},
        "duplicates": {**COUNT, "description": "Copies that came later and count for nothing"},
        "duplicates_changed": {**COUNT, "description": "Of them, those with other content"},
        "credits": {"type": "array", "items": CREDIT},
        "test_event_code": TEXT,
        "would_be_refused": {**TEXT, "description": "Code, for a test event that is not valid"},
        "commit": {**COUNT, "description": "In which it was written"},
        "committed_at": TIME,
    },
}

RECEIPT: Final[Json] = {
    "type": "object",
    "required": ["event_id", "events", "as_of"],
    "properties": {
        "event_id": TEXT,
        "events": {"type": "array", "items": EVENT_RECEIPT, "minItems": 1},
        "as_of": AS_OF,
    },
}

RECEIPT_EXAMPLE: Final[Json] = {
    "event_id": "order_1042",
    "events": [
        {
            "event_source_id": "website_pixel",
            "event_type": "purchase",
            "state": "provisional",
            "event_time": "2026-04-26T19:30:00.000000Z",
            "received_at": "2026-04-26T19:30:02.120000Z",
            "place": "events/events-api0-20260426T193000000000.ndjson@7",
            "outcome": "attributed",
            "value": 89.99,
            "currency": "USD",
            "matched_on": "click",
            "touch_type": "click",
            "is_probabilistic": False,
            "duplicates": 0,
            "duplicates_changed": 0,
            "credits": [
                {
                    "position": 1,
                    "type": "click",
                    "time": "2026-04-26T19:20:07.000000Z",
                    "campaign_id": "shoes",
                    "media_buy_id": "mb_1",
                    "package_id": "pkg_1",
                    "creative_id": "cr_1",
                    "matched_on": "click",
                    "is_probabilistic": False,
                    "currency": "USD",
                    "shares": dict.fromkeys(MODELS, 1.0),
                    "values": dict.fromkeys(MODELS, 89.99),
                }
            ],
            "commit": 512,
            "committed_at": "2026-04-26T19:30:03.100000Z",
            "durable": True,
            "read": True,
        }
    ],
    "as_of": AS_OF_EXAMPLE,
}

HEALTH: Final[Json] = {
    "type": "object",
    "required": ["event_source_id", "status", "detail", "evaluated_at", "events_received_24h"],
    "properties": {
        "event_source_id": TEXT,
        "status": {"enum": ["insufficient", "minimum", "good", "excellent"]},
        "detail": {
            "type": "object",
            "required": ["score", "max_score"],
            "properties": {"score": AMOUNT, "max_score": AMOUNT, "label": TEXT},
        },
        "match_rate": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Share of events that were attributed to an ad; absent without any",
        },
        "last_event_at": {**TIME, "description": "To the hour, if more than a day ago"},
        "evaluated_at": TIME,
        "events_received_24h": COUNT,
        "issues": {
            "type": "array",
            "maxItems": 5,
            "items": {
                "type": "object",
                "required": ["severity", "message"],
                "properties": {
                    "severity": {"enum": ["error", "warning", "info"]},
                    "message": TEXT,
                },
            },
        },
    },
}

HEALTH_EXAMPLE: Final[Json] = {
    "event_source_id": "website_pixel",
    "status": "good",
    "detail": {"score": 81, "max_score": 100, "label": "Event source score"},
    "match_rate": 0.62,
    "last_event_at": "2026-04-26T19:30:02.120000Z",
    "evaluated_at": "2026-04-26T19:31:00.000000Z",
    "events_received_24h": 912,
    "issues": [
        {
            "severity": "warning",
            "message": "12 of 912 events were refused, most as CURRENCY_REQUIRED: "
            "partial_failures of log-event says what to mend",
        }
    ],
}
