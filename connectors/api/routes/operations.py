"""Routes for operators: liveness, readiness, metrics."""

import asyncio
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors.api.context import Api
from connectors.api.rendering import METRICS
from connectors.spool.store import Store, StoreFullError

READY_SECONDS_MAX: Final = 2.0
"""How long storing may take for the process to count as ready."""


def operations_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Operations"])

    async def healthy() -> dict[str, str]:
        """Return 200 while the process lives."""
        return {"status": "ok"}

    async def ready() -> Response:
        """Return 200 if a call can be stored now: something was synced in time."""
        stores = (api.calls.store, api.impressions.store, api.measurements.store)
        is_ready = all(await asyncio.gather(*map(_can_store, stores)))
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def metrics() -> Response:
        return Response(generate_latest(METRICS), media_type=CONTENT_TYPE_LATEST)

    router.get("/healthz", summary="Whether the process is alive")(healthy)
    router.get("/readyz", summary="Whether calls can be stored")(ready)
    router.get("/metrics", include_in_schema=False)(metrics)
    return router


async def _can_store(store: Store) -> bool:
    if not store.has_room():
        return False
    try:
        async with asyncio.timeout(READY_SECONDS_MAX):
            await asyncio.wrap_future(store.probe())
    except (TimeoutError, OSError, StoreFullError):
        return False
    return True
