"""Bodies and successful answers of the API as JSON Schemas, for OpenAPI and for the AdCP tools.

The schemas describe; the contract decides (`attribution.contract`), and its answer says what it
expected.
"""

from typing import Any, Final

from attribution.contract.envelope import IDEMPOTENCY_KEY
from attribution.contract.event_source import EventSource
from attribution.contract.measurement import ENTITIES, MAX_MEASUREMENTS, Measurement
from attribution.vocabulary import ACTION_SOURCES, EVENT_TYPES, MEASURERS, METRICS, UNITS

Json = dict[str, Any]

_ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 256}
_TEXT: Final[Json] = {"type": "string"}
_HASH: Final[Json] = {"type": "string", "pattern": "^[a-f0-9]{64}$"}
_CURRENCY: Final[Json] = {"type": "string", "pattern": "^[A-Z]{3}$"}
_UID: Final[Json] = {
    "type": "object",
    "required": ["type", "value"],
    "properties": {"type": _TEXT, "value": _TEXT},
}

USER_MATCH: Final[Json] = {
    "type": "object",
    "description": "hashed or pseudonymous identifiers; a malformed one is dropped with a warning",
    "properties": {
        "uids": {"type": "array", "items": _UID},
        "hashed_email": _HASH,
        "hashed_phone": _HASH,
        **dict.fromkeys(("click_id", "click_id_type", "client_ip", "client_user_agent"), _TEXT),
    },
}

CUSTOM_DATA: Final[Json] = {
    "type": "object",
    "properties": {
        "value": {"type": "number"},
        "currency": {**_CURRENCY, "description": "required with value"},
        "order_id": _TEXT,
        "content_ids": {"type": "array", "items": _TEXT},
        "contents": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": _TEXT,
                    "quantity": {"type": "integer", "minimum": 1},
                    "price": {"type": "number", "minimum": 0},
                },
            },
        },
        "num_items": {"type": "integer", "minimum": 0},
    },
}

EVENT: Final[Json] = {
    "type": "object",
    "required": ["event_id", "event_type", "event_time"],
    "properties": {
        "event_id": _ID,
        "event_type": {"type": "string", "enum": list(EVENT_TYPES)},
        "event_time": {"type": "string", "format": "date-time"},
        "custom_event_name": {**_ID, "description": "required for custom events"},
        "action_source": {"type": "string", "enum": list(ACTION_SOURCES)},
        "event_source_url": {"type": "string", "format": "uri"},
        "user_match": USER_MATCH,
        "custom_data": CUSTOM_DATA,
    },
}
"""An event. One that breaks this is refused alone, and the others are accepted."""

LOG_EVENT: Final[Json] = {
    "type": "object",
    "required": ["event_source_id", "events"],
    "properties": {
        "event_source_id": _ID,
        "events": {"type": "array", "items": EVENT, "minItems": 1, "maxItems": 10_000},
        "test_event_code": _ID,
        "idempotency_key": {"type": "string", "pattern": IDEMPOTENCY_KEY},
    },
}

SYNC: Final[Json] = {
    "type": "object",
    "properties": {
        "event_sources": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["event_source_id"],
                "properties": {
                    name: _ID if name in {"event_source_id", "name"} else {}
                    for name in EventSource.model_fields
                    if name != "advertiser_id"
                },
            },
        },
        "delete_missing": {"type": "boolean", "default": False},
    },
}

ECAPI: Final[Json] = {
    "type": "object",
    "required": ["data_set_id", "id", "timestamp", "event_type"],
    "properties": {
        "data_set_id": {**_ID, "description": "the event source"},
        "id": _ID,
        "timestamp": {"type": "number", "description": "seconds since the epoch"},
        "event_type": {"type": "string"},
        "value": {"type": "number"},
        "currency_code": _CURRENCY,
        "user_data": {"type": "object"},
        "properties": {"type": "object"},
    },
}

_NAME: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 255}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}

MEASUREMENT: Final[Json] = {
    "type": "object",
    "required": ["start_time", "end_time", "metric_id", "metric_value", "unit"],
    "properties": dict.fromkeys(Measurement.model_fields, _NAME)
    | {
        "start_time": _TIME,
        "end_time": {**_TIME, "description": "later than start_time, itself outside"},
        "metric_id": {"type": "string", "enum": list(METRICS)},
        "metric_value": {"type": "number"},
        "unit": {"type": "string", "enum": list(UNITS)},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "for that unit"},
        "source": {"type": "string", "enum": list(MEASURERS)},
        "external_row_id": {**_NAME, "description": "a later row of the same id takes its place"},
    },
    "anyOf": [{"required": [entity]} for entity in ENTITIES],
}
"""A row of measurement data. One that breaks this is refused alone, and the others are stored."""

MEASUREMENTS: Final[Json] = {
    "type": "object",
    "required": ["measurements"],
    "properties": {
        "measurements": {
            "type": "array",
            "items": MEASUREMENT,
            "minItems": 1,
            "maxItems": MAX_MEASUREMENTS,
        }
    },
}

MEASURED: Final[Json] = {
    "type": "object",
    "required": ["measurements"],
    "additionalProperties": False,
    "properties": {
        "measurements": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "action"],
                "additionalProperties": False,
                "properties": {
                    "index": {"type": "integer", "minimum": 0},
                    "action": {"enum": ["created", "updated", "unchanged", "failed"]},
                    "error": {"type": "string", "description": "why it has failed"},
                },
            },
        }
    },
}

ANSWER: Final[Json] = {
    "type": "object",
    "required": [
        "events_received",
        "events_processed",
        "partial_failures",
        "warnings",
        "match_quality",
    ],
    "properties": {
        "events_received": {"type": "integer", "minimum": 0},
        "events_processed": {"type": "integer", "minimum": 0},
        "partial_failures": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["event_id", "code", "message"],
                "properties": {
                    name: {"type": "string"} for name in ("event_id", "code", "message")
                },
            },
        },
        "warnings": {"type": "array", "items": _TEXT},
        "match_quality": {"type": "number", "minimum": 0, "maximum": 1},
    },
}

SYNCED: Final[Json] = {
    "type": "object",
    "required": ["event_sources"],
    "properties": {
        "event_sources": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["event_source_id", "action"],
                "properties": {
                    "event_source_id": {"type": "string"},
                    "action": {"enum": ["created", "updated", "unchanged", "deleted", "failed"]},
                },
            },
        }
    },
}

LISTED: Final[Json] = {
    "type": "object",
    "required": ["eventSources", "total"],
    "properties": {
        "eventSources": {"type": "array", "items": {"type": "object"}},
        "total": {"type": "integer", "minimum": 0},
    },
}
