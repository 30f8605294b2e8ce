"""Routes of event sources: sync and list."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from attribution.registry import SourceVersion
from connectors.api.context import BUYER, Api, read_object
from connectors.api.description import described
from connectors.api.rendering import answered
from connectors.api.schemas import LISTED, SYNC, SYNCED

REST_FIELDS: Final = ("event_source_id", "action", "setup")
"""Of what became of a source, what the REST routes tell."""

TAKE_MAX: Final = 250
"""Items of one page."""


def sources_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Event sources"])

    async def sync(request: Request, advertiser_id: str) -> Response:
        """Create, update and delete event sources."""

        async def answer() -> Response:
            key = api.caller(request, "admin", advertiser_id)
            done = await api.syncs.take(advertiser_id, await read_object(request), agent=key.id)
            results = [_result(each) for each in done.content["event_sources"]]
            return api.answer({"event_sources": results}, is_replayed=done.is_replayed)

        return await answered("event-sources/sync", answer)

    async def list_sources(
        request: Request,
        advertiser_id: str,
        take: Annotated[int, Query(ge=1, le=TAKE_MAX)] = 50,
        skip: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        """List event sources."""

        async def answer() -> Response:
            api.caller(request, "read", advertiser_id)
            found = api.sources.of(advertiser_id)
            items = [_item(each) for each in found[skip : skip + take]]
            return api.answer({"eventSources": items, "total": len(found)})

        return await answered("event-sources", answer)

    change, listing = described(SYNCED, body=SYNC), described(LISTED)
    for prefix in BUYER:
        path = f"{prefix}/event-sources"
        router.post(f"{path}/sync", summary="Sync event sources", **change)(sync)
        router.get(path, summary="List event sources", **listing)(list_sources)
    return router


def _result(source: dict[str, Any]) -> dict[str, Any]:
    told = {name: source[name] for name in REST_FIELDS if name in source}
    errors = source.get("errors")
    return told | ({"error": "; ".join(each["message"] for each in errors)} if errors else {})


def _item(source: SourceVersion) -> dict[str, Any]:
    return {
        "eventSourceId": source.event_source_id,
        "name": source.name,
        "eventTypes": sorted(source.event_types) if source.event_types else None,
        "allowedDomains": list(source.allowed_domains),
        "testEventCode": source.test_event_code,
    }
