"""What the tools of AdCP expect, as JSON Schemas that are told to clients.

They are not enforced as such: a call is judged event by event, so that one malformed event does not
lose the others.
"""

from typing import Final

from attribution.contract.envelope import IDEMPOTENCY_KEY
from connectors.api.reads.delivery_request import STANDARD_MODELS
from connectors.api.reads.media_buys import BUYS_MAX
from connectors.api.schemas import LOG_EVENT, SYNC, Json

_TEXT: Final[Json] = {"type": "string"}
_OBJECT: Final[Json] = {"type": "object"}

_COMMON: Final[Json] = {
    "idempotency_key": {
        "type": "string",
        "pattern": IDEMPOTENCY_KEY,
        "description": "New for each request; the same when that request is sent again.",
    },
    "account": {
        "type": "object",
        "properties": {"account_id": _TEXT, "brand": _OBJECT, "operator": _TEXT},
        "description": "The advertiser, as account_id; may be left out if the API key is for one.",
    },
    "adcp_version": {"type": "string", "description": "Release, such as 3.2."},
    "adcp_major_version": {"type": "integer", "minimum": 1, "maximum": 99},
    "context": {"type": "object", "description": "Returned unchanged."},
    "ext": _OBJECT,
}


_DAY: Final[Json] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}

DELIVERY: Final[Json] = {
    "type": "object",
    "properties": {
        "media_buy_ids": {"type": "array", "minItems": 1, "maxItems": BUYS_MAX, "items": _TEXT},
        "start_date": {**_DAY, "description": "First day, in UTC; without, all that there is."},
        "end_date": {**_DAY, "description": "Day after the last one."},
        "attribution_window": {
            "type": "object",
            "description": "The windows are those of the answer; the model can be chosen.",
            "properties": {"model": {"enum": list(STANDARD_MODELS)}},
        },
        "include_package_daily_breakdown": {"type": "boolean", "default": False},
    },
}


def _with(schema: Json, **properties: object) -> Json:
    return {**schema, "properties": {**schema["properties"], **properties}}


SCHEMAS: Final[dict[str, tuple[str, Json]]] = {
    "log_event": (
        "Log conversion events of a registered event source.",
        {
            **_with(LOG_EVENT, **_COMMON),
            "required": ["idempotency_key", *LOG_EVENT["required"]],
        },
    ),
    "sync_event_sources": (
        "Create, update and delete event sources; without event_sources, list them.",
        _with(SYNC, **_COMMON),
    ),
    "get_media_buy_delivery": (
        "Say what media buys have delivered, and which conversions they have earned.",
        _with(DELIVERY, **_COMMON),
    ),
    "get_adcp_capabilities": (
        "Say what this server supports.",
        {"type": "object", "properties": _COMMON},
    ),
}
"""Description and input of each tool."""
