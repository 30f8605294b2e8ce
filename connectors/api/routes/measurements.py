"""Route of measurement data: sync."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from connectors.api.context import BUYER, Api
from connectors.api.description import MEASUREMENTS_EXAMPLE, described
from connectors.api.guard import read_body
from connectors.api.rendering import answered
from connectors.api.schemas import MEASURED, MEASUREMENTS


def measurements_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Measurement data"])

    async def sync(
        request: Request, advertiser_id: str, *, validate_only: bool = False
    ) -> Response:
        """Create and update 1 to 1,000 measurements of an advertiser."""

        async def answer() -> Response:
            api.caller(request, "write", advertiser_id)
            body = await read_body(request)
            found = await api.measurements.take(advertiser_id, body, validate_only=validate_only)
            return api.answer(found.rest(), found.receipt)

        return await answered("measurement-data/sync", answer)

    shown = described(MEASURED, body=MEASUREMENTS, example=MEASUREMENTS_EXAMPLE)
    for prefix in BUYER:
        path = f"{prefix}/measurement-data/sync"
        router.post(path, summary="Sync measurement data", **shown)(sync)
    return router
