"""What the OpenAPI document says of a route: its body, an example, and every status.

The routes read their bodies themselves, so the framework cannot know them.
"""

from typing import Final

from fastapi.responses import JSONResponse

from connectors.api.schemas import Json

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

OF_BODIES: Final = frozenset({408, 409, 413, 415})
"""Statuses of routes that take a body only."""

READ_STATUSES: Final = {
    400: "A parameter is not one; `field` and `message` say why",
    503: "The result cannot be read now, or there is none yet; ask again after Retry-After",
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


def described(answer: Json, *, body: Json | None = None, example: object = None) -> Json:
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


def described_read(answer: Json, example: Json, **texts: str) -> Json:
    """Return what FastAPI takes to describe a route that reads the result.

    `texts` says more of a status, as in `status_404`.
    """
    shown = described(answer)
    shown["responses"] = {
        200: _answer("Success", answer, example),
        **{
            status: _answer(texts.get(f"status_{status}", text), ERROR)
            for status, text in (STATUSES | READ_STATUSES).items()
            if status not in OF_BODIES
        },
        "default": _answer("The server has failed", ERROR),
    }
    return shown


def _answer(text: str, schema: Json, example: object = None) -> Json:
    content: Json = {"schema": schema} | ({} if example is None else {"example": example})
    return {"description": text, "content": {"application/json": content}}


_REFUSALS: Final[dict[int | str, Json]] = {
    **{status: _answer(text, ERROR) for status, text in STATUSES.items()},
    "default": _answer("The server has failed", ERROR),
}


SECURITY: Final[Json] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "x-scope3-api-key"},
}
