"""Routes of event sources: sync, list, and how healthy they are."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from attribution.contract.times import write_time
from attribution.ingest.problems import NOT_FOUND
from attribution.registry import BEGINNING_OF_TIME, SourceVersion
from connectors.api.context import BUYER, Api, read_object
from connectors.api.description import described, described_read
from connectors.api.guard import ProblemError
from connectors.api.reads.activity import Activities, look, look_if_possible
from connectors.api.reads.health import health, published_health
from connectors.api.reads.schemas import HEALTH, HEALTH_EXAMPLE
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
            key = api.caller(request, "read", advertiser_id)
            found = api.sources.visible(advertiser_id, key.sources)
            seen = await look_if_possible(api.results, advertiser_id) if found else None
            items = [_item(api, each, seen) for each in found[skip : skip + take]]
            return api.answer({"eventSources": items, "total": len(found)})

        return await answered("event-sources", answer)

    async def source_health(request: Request, advertiser_id: str, event_source_id: str) -> Response:
        """Tell how healthy an event source is, and what to mend."""

        async def answer() -> Response:
            key = api.caller(request, "read", advertiser_id)
            known = api.sources.visible(advertiser_id, key.sources)
            if event_source_id not in {each.event_source_id for each in known}:
                raise ProblemError(NOT_FOUND)
            seen = await look(api.results, advertiser_id)
            told = health(seen.of(event_source_id))
            return api.answer({"event_source_id": event_source_id, **told})

        return await answered("event-sources/health", answer)

    change, listing = described(SYNCED, body=SYNC), described(LISTED)
    shown = described_read(HEALTH, HEALTH_EXAMPLE)
    for prefix in BUYER:
        path = f"{prefix}/event-sources"
        router.post(f"{path}/sync", summary="Sync event sources", **change)(sync)
        router.get(path, summary="List event sources", **listing)(list_sources)
        one = f"{path}/{{event_source_id:path}}/health"
        router.get(one, summary="Health of an event source", **shown)(source_health)
    return router


def _result(source: dict[str, Any]) -> dict[str, Any]:
    told = {name: source[name] for name in REST_FIELDS if name in source}
    errors = source.get("errors")
    return told | ({"error": "; ".join(each["message"] for each in errors)} if errors else {})


def _item(api: Api, source: SourceVersion, seen: Activities | None) -> dict[str, Any]:
    health = {"health": published_health(seen.of(source.event_source_id))} if seen else {}
    return {
        "eventSourceId": source.event_source_id,
        "name": source.name,
        "eventTypes": sorted(source.event_types) if source.event_types else None,
        "allowedDomains": list(source.allowed_domains),
        "integrationPlatform": None,
        "mapping": None,
        "testEventCode": source.test_event_code,
        **health,
        **_time("createdAt", api.sources.since(source)),
        **_time("updatedAt", source.valid_from),
    }


def _time(name: str, instant: int) -> dict[str, str]:
    """Return an instant under a name; nothing for a source of a file, which was ever so."""
    return {} if instant == BEGINNING_OF_TIME else {name: write_time(instant)}
