"""What the tools of AdCP expect, as JSON Schemas that are told to clients.

They are not enforced as such: a call is judged event by event, so that one malformed event does not
lose the others.
"""

from typing import Final

from attribution.contract.envelope import IDEMPOTENCY_KEY
from connectors.api.description import EVENT, LOG_EVENT, SYNC, Json

_TEXT: Final[Json] = {"type": "string"}
_OBJECT: Final[Json] = {"type": "object"}
_NUMBER: Final[Json] = {"type": "number"}
_HASH: Final[Json] = {"type": "string", "pattern": "^[a-f0-9]{64}$"}

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
    "context": {"type": "object", "description": "Given back as it is."},
    "ext": _OBJECT,
}
_UID: Final[Json] = {
    "type": "object",
    "required": ["type", "value"],
    "properties": {"type": _TEXT, "value": _TEXT},
}
_IDENTIFIERS: Final[Json] = {
    "uids": {"type": "array", "items": _UID},
    "hashed_email": _HASH,
    "hashed_phone": _HASH,
    **dict.fromkeys(("click_id", "click_id_type", "client_ip", "client_user_agent"), _TEXT),
}
_CONTENT: Final[Json] = {
    "type": "object",
    "properties": {"id": _TEXT, "quantity": {"type": "integer"}, "price": _NUMBER},
}
_VALUES: Final[Json] = {
    "value": _NUMBER,
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "order_id": _TEXT,
    "content_ids": {"type": "array", "items": _TEXT},
    "contents": {"type": "array", "items": _CONTENT},
    "num_items": {"type": "integer", "minimum": 0},
}


def _with(schema: Json, **properties: object) -> Json:
    return {**schema, "properties": {**schema["properties"], **properties}}


_EVENT: Final = _with(
    EVENT,
    user_match={**EVENT["properties"]["user_match"], "properties": _IDENTIFIERS},
    custom_data={**EVENT["properties"]["custom_data"], "properties": _VALUES},
)
_EVENTS: Final = {**LOG_EVENT["properties"]["events"], "items": _EVENT}

SCHEMAS: Final[dict[str, tuple[str, Json]]] = {
    "log_event": (
        "Log conversion events of a registered event source.",
        {
            **_with(LOG_EVENT, **_COMMON, events=_EVENTS),
            "required": ["idempotency_key", *LOG_EVENT["required"]],
        },
    ),
    "sync_event_sources": (
        "Create, update and delete event sources; without event_sources, list them.",
        _with(SYNC, **_COMMON),
    ),
    "get_adcp_capabilities": (
        "Say what this server supports.",
        {"type": "object", "properties": _COMMON},
    ),
}
"""Description and input of each tool."""
