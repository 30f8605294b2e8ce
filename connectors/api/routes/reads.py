"""Routes that tell what became of events: one by one, and counted."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from connectors.api.context import BUYER, Api
from connectors.api.description import described_read
from connectors.api.reads.outcomes import Wanted
from connectors.api.reads.receipts import Receipts
from connectors.api.reads.schemas import RECEIPT, RECEIPT_EXAMPLE
from connectors.api.rendering import answered


def reads_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Events"])
    receipts = Receipts(api.asked, api.log)

    async def receipt(
        request: Request,
        advertiser_id: str,
        event_id: str,
        event_source_id: Annotated[str | None, Query(description="Only of this source")] = None,
        event_type: Annotated[str | None, Query(description="Only of this type")] = None,
    ) -> Response:
        """Tell what became of the events of an id: stored, read, attributed and to what."""

        async def answer() -> Response:
            key = api.caller(request, "read", advertiser_id)
            sources = key.sources_of(event_source_id)
            wanted = Wanted(advertiser_id, event_id, sources, event_type)
            return api.answer(await receipts.of(wanted))

        return await answered("events/receipt", answer)

    shown = described_read(
        RECEIPT,
        RECEIPT_EXAMPLE,
        status_404="No such advertiser for this API key, or no such event; it may be on its way "
        "if `error.details.log_searched` is false",
    )
    for prefix in BUYER:
        # An id may hold a slash.
        path = f"{prefix}/events/{{event_id:path}}"
        router.get(path, summary="What became of an event", **shown)(receipt)
    return router
