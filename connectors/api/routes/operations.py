"""Routes for operators: liveness, readiness, metrics."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors.api.context import Api
from connectors.api.rendering import METRICS


def operations_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Operations"])

    async def healthy() -> dict[str, str]:
        """Return 200 while the process lives."""
        return {"status": "ok"}

    async def ready() -> Response:
        """Return 200 if a call can be stored now."""
        is_ready = api.calls.store.has_room()
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    async def metrics() -> Response:
        return Response(generate_latest(METRICS), media_type=CONTENT_TYPE_LATEST)

    router.get("/healthz", summary="Whether the process is alive")(healthy)
    router.get("/readyz", summary="Whether calls can be stored")(ready)
    router.get("/metrics", include_in_schema=False)(metrics)
    return router
