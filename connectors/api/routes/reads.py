"""Routes that tell what became of events: one by one, and counted."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from attribution.ingest.problems import NOT_PERMITTED
from connectors.api.context import BUYER, Api
from connectors.api.description import described_read
from connectors.api.guard import ProblemError
from connectors.api.reads.counters import Kind, counters
from connectors.api.reads.outcomes import Wanted
from connectors.api.reads.receipts import Receipts
from connectors.api.reads.schemas import RECEIPT, RECEIPT_EXAMPLE
from connectors.api.reads.summary import Granularity, span_of, summary
from connectors.api.reads.summary_schemas import SUMMARY, SUMMARY_EXAMPLE
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

    async def summed(  # noqa: PLR0913  its parameters are those of the query
        request: Request,
        advertiser_id: str,
        *,
        start: Annotated[str | None, Query(description="RFC 3339; default 24 h ago")] = None,
        end: Annotated[str | None, Query(description="RFC 3339, itself outside")] = None,
        event_source_id: Annotated[str | None, Query(description="Only of this source")] = None,
        granularity: Granularity = "hour",
        start_hour: Annotated[str | None, Query(alias="startHour")] = None,
        end_hour: Annotated[str | None, Query(alias="endHour")] = None,
        event_type: Annotated[Kind | None, Query(alias="eventType")] = None,
    ) -> Response:
        """Count events by what became of them, per hour or day, source and type.

        With `startHour`, `endHour` or `eventType`, count the records of each kind per hour instead.
        """

        async def answer() -> Response:
            key = api.caller(request, "read", advertiser_id)
            if start_hour or end_hour or event_type:
                if key.sources:
                    raise ProblemError(NOT_PERMITTED)
                hours = span_of(start_hour, end_hour, "hour")
                count = partial(counters, advertiser_id=advertiser_id, kind=event_type, span=hours)
                asked = "counters", advertiser_id, event_type, hours
                return api.answer(await api.asked(asked, count))
            span, sources = span_of(start, end, granularity), key.sources_of(event_source_id)
            sum_up = partial(summary, advertiser_id=advertiser_id, sources=sources, span=span)
            return api.answer(await api.asked(("summary", advertiser_id, sources, span), sum_up))

        return await answered("events/summary", answer)

    counted = described_read(SUMMARY, SUMMARY_EXAMPLE)
    shown = described_read(
        RECEIPT,
        RECEIPT_EXAMPLE,
        status_404="No such advertiser for this API key, or no such event; it may be on its way "
        "if `error.details.log_searched` is false",
    )
    for prefix in BUYER:
        router.get(f"{prefix}/events/summary", summary="Events summed up", **counted)(summed)
        # An id may hold a slash.
        path = f"{prefix}/events/{{event_id:path}}"
        router.get(path, summary="What became of an event", **shown)(receipt)
    return router
