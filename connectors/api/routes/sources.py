"""Routes of event sources: sync and list."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attribution.ingest.problems import invalid
from attribution.registry import SourceVersion
from connectors.api.context import BUYER, Api, read_object
from connectors.api.guard import ProblemError
from connectors.api.rendering import answered

TAKE_MAX: Final = 250
"""Items of one page."""


def sources_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Event sources"])

    async def sync(request: Request, advertiser_id: str) -> Response:
        """Create, update and delete event sources."""

        async def answer() -> Response:
            api.caller(request, "admin", advertiser_id)
            results = await api.sources.sync(advertiser_id, await read_object(request))
            return api.answer({"event_sources": results})

        return await answered("event-sources/sync", answer)

    async def list_sources(
        request: Request, advertiser_id: str, take: int = 50, skip: int = 0
    ) -> Response:
        """List event sources."""

        async def answer() -> Response:
            api.caller(request, "read", advertiser_id)
            if not 1 <= take <= TAKE_MAX or skip < 0:
                raise ProblemError(invalid(f"take is expected from 1 to {TAKE_MAX}", "take"))
            found = api.sources.of(advertiser_id)
            items = [_item(each) for each in found[skip : skip + take]]
            return api.answer({"eventSources": items, "total": len(found)})

        return await answered("event-sources", answer)

    for prefix in BUYER:
        router.post(f"{prefix}/event-sources/sync", summary="Sync event sources")(sync)
        router.get(f"{prefix}/event-sources", summary="List event sources")(list_sources)
    return router


def _item(source: SourceVersion) -> dict[str, Any]:
    return {
        "eventSourceId": source.event_source_id,
        "name": source.name,
        "eventTypes": sorted(source.event_types) if source.event_types else None,
        "allowedDomains": list(source.allowed_domains),
        "testEventCode": source.test_event_code,
    }
