"""Routes that take impressions and clicks."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attribution.ingest.impressions import RECORDS_MAX
from connectors.api.context import BUYER, Api
from connectors.api.description import described
from connectors.api.guard import JSON, content_type, read_body
from connectors.api.rendering import answered
from connectors.api.schemas import Json

LINES: Final = "application/x-ndjson"

_ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 256}
_NUMBER: Final[Json] = {"type": "integer", "minimum": 0}

RECORD: Final[Json] = {
    "type": "object",
    "required": ["impression_id", "type", "time", "campaign_id"],
    "properties": {
        "impression_id": {**_ID, "description": "of a click: the impression it was on"},
        "type": {"enum": ["impression", "click"]},
        "time": {"type": "string", "format": "date-time"},
        **dict.fromkeys(("campaign_id", "media_buy_id", "package_id", "creative_id"), _ID),
        "user_match": {"type": "object", "description": "as in events; a click's sc3clid"},
        "price": {"type": "number", "minimum": 0},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    },
}
"""An impression or click. One that breaks this is refused alone, and the others are accepted."""

RECORDS: Final[Json] = {"type": "array", "items": RECORD, "minItems": 1, "maxItems": RECORDS_MAX}

RECORDS_EXAMPLE: Final = [
    {
        "impression_id": "imp_1",
        "type": "click",
        "time": "2026-04-26T14:10:00-05:00",
        "campaign_id": "spring_shoes",
        "user_match": {"click_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "click_id_type": "sc3clid"},
    }
]

_FAILURE: Final = {key: {"type": "string"} for key in ("impression_id", "code", "message")}
_PROPERTIES: Final[Json] = {
    "records_received": _NUMBER,
    "records_processed": _NUMBER,
    "partial_failures": {
        "type": "array",
        "items": {"type": "object", "required": list(_FAILURE), "properties": _FAILURE},
    },
    "warnings": {"type": "array", "items": {"type": "string"}},
    "match_quality": {"type": "number", "minimum": 0, "maximum": 1},
}
ANSWER: Final[Json] = {
    "type": "object",
    "required": list(_PROPERTIES),
    "properties": _PROPERTIES,
}


def impressions_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Impressions"])

    async def impressions(
        request: Request, advertiser_id: str, *, validate_only: bool = False
    ) -> Response:
        """Log 1 to 10,000 impressions and clicks: a JSON array, or a line of NDJSON for each."""

        async def answer() -> Response:
            key = api.caller(request, "write", advertiser_id)
            body = await read_body(request, (JSON, LINES))
            found = await api.impressions.take(
                advertiser_id,
                body,
                is_lines=content_type(request) == LINES,
                validate_only=validate_only,
                agent=key.id,
            )
            return api.answer(found.rest(), found.receipt)

        return await answered("impressions", answer)

    shown = described(ANSWER, body=RECORDS, example=RECORDS_EXAMPLE)
    contents = shown["openapi_extra"]["requestBody"]["content"]
    contents[LINES] = {"schema": {"type": "string", "description": "a record per line"}}
    for prefix in BUYER:
        path = f"{prefix}/impressions"
        router.post(path, summary="Log impressions and clicks", **shown)(impressions)
    return router
