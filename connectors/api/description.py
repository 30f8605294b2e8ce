"""What the OpenAPI document says of bodies and answers: schemas, examples, and every status.

The routes read their bodies themselves, so the framework cannot know them. The schemas describe;
the contract decides (`attribution.contract`), and says in its answer what it expected.
"""

from typing import Any, Final

from fastapi.responses import JSONResponse

from attribution.contract.event_source import EventSource
from attribution.contract.measurement import ENTITIES, MAX_MEASUREMENTS, Measurement
from attribution.vocabulary import ACTION_SOURCES, EVENT_TYPES, MEASURERS, METRICS, UNITS

Json = dict[str, Any]

_ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 256}
_TEXTS: Final[Json] = {"type": "array", "items": {"type": "string"}}

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
        "user_match": {"type": "object", "description": "hashed or pseudonymous identifiers"},
        "custom_data": {"type": "object", "description": "value, currency, order_id, contents"},
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
        "idempotency_key": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{16,255}$"},
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
        "currency_code": {"type": "string", "pattern": "^[A-Z]{3}$"},
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
        "warnings": _TEXTS,
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

ERROR: Final[Json] = {
    "type": "object",
    "required": ["data", "error"],
    "properties": {
        "data": {"type": "null"},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "field": {"type": "string"},
                "details": {"type": "object"},
            },
        },
    },
}

STATUSES: Final = {
    400: "The call is refused as a whole; `field` and `message` say why",
    401: "No valid API key",
    403: "The API key has no right to do this",
    404: "No such advertiser or event source for this API key",
    408: "The body did not arrive in time",
    409: "The idempotency key was used for another call, or for one that is being answered",
    413: "The body is too large",
    415: "The body is not JSON",
    429: "The API key sends too much; wait as long as Retry-After says",
    503: "Nothing can be stored now; send the call again after Retry-After",
}

LOG_EVENT_EXAMPLE: Final[Json] = {
    "event_source_id": "website_pixel",
    "events": [
        {
            "event_id": "order_1042",
            "event_type": "purchase",
            "event_time": "2026-04-26T14:30:00-05:00",
            "action_source": "website",
            "event_source_url": "https://shop.example.com/thanks",
            "user_match": {
                "click_id": "fb.1.1700000000.AbCdEfGh",
                "click_id_type": "fbclid",
            },
            "custom_data": {"value": 89.99, "currency": "USD", "order_id": "1042"},
        },
        {
            "event_id": "demo_77",
            "event_type": "custom",
            "custom_event_name": "demo_booked",
            "event_time": "2026-04-26T15:05:00-05:00",
        },
    ],
}


MEASUREMENTS_EXAMPLE: Final[Json] = {
    "measurements": [
        {
            "start_time": "2026-04-20T00:00:00Z",
            "end_time": "2026-04-27T00:00:00Z",
            "metric_id": "incremental_revenue",
            "metric_value": 18250.5,
            "unit": "currency",
            "currency": "USD",
            "campaign_id": "shoes",
            "source": "measurement_partner",
        }
    ]
}


def described(answer: Json, *, body: Json | None = None, example: object = None) -> dict[str, Any]:
    """Return what FastAPI takes to describe a route: the body it reads, and its answers.

    All such routes require a key.
    """
    extra: Json = {"security": [{"bearer": []}, {"header": []}]}
    if body is not None:
        content: Json = {"schema": body}
        content |= {} if example is None else {"example": example}
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    return {
        "openapi_extra": extra,
        # A default keeps FastAPI from describing a refusal of its own.
        "responses": {200: _answer("Success", answer), **_REFUSALS},
        "response_class": JSONResponse,
    }


def _answer(text: str, schema: Json) -> Json:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


_REFUSALS: Final[dict[int | str, Json]] = {
    **{status: _answer(text, ERROR) for status, text in STATUSES.items()},
    "default": _answer("The server has failed", ERROR),
}


SECURITY: Final[Json] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "x-scope3-api-key"},
}
