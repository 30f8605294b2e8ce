"""Routes that take impressions and clicks."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from connectors.api.context import BUYER, Api
from connectors.api.guard import JSON, content_type, read_body
from connectors.api.rendering import answered

LINES: Final = "application/x-ndjson"


def impressions_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Impressions"])

    async def impressions(
        request: Request, advertiser_id: str, *, validate_only: bool = False
    ) -> Response:
        """Log 1 to 10,000 impressions and clicks: a JSON array, or a line of NDJSON for each."""

        async def answer() -> Response:
            api.caller(request, "write", advertiser_id)
            body = await read_body(request, (JSON, LINES))
            found = await api.impressions.take(
                advertiser_id,
                body,
                is_lines=content_type(request) == LINES,
                validate_only=validate_only,
            )
            return api.answer(found.rest(), found.receipt)

        return await answered("impressions", answer)

    for prefix in BUYER:
        router.post(f"{prefix}/impressions", summary="Log impressions and clicks")(impressions)
    return router
