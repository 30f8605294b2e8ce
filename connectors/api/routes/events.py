"""Routes that log events: of an advertiser, and of the Conversion API."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attribution.ingest.problems import CAPI_MESSAGES, NOT_FOUND, NOT_PERMITTED
from connectors.api.context import BUYER, Api
from connectors.api.description import LOG_EVENT_EXAMPLE, described
from connectors.api.guard import ProblemError, read_body
from connectors.api.rendering import answered
from connectors.api.schemas import ANSWER, LOG_EVENT


def events_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Events"])

    async def log_event(
        request: Request, advertiser_id: str, *, validate_only: bool = False
    ) -> Response:
        """Log 1 to 10,000 events of an advertiser."""

        async def answer() -> Response:
            key = api.caller(request, "write", advertiser_id)
            body = await read_body(request)
            found = await api.calls.take(
                advertiser_id, body, validate_only=validate_only, agent=key.id, only=key.sources
            )
            return api.answer(found.rest(), found.receipt, is_replayed=found.is_replayed)

        return await answered("log-event", answer)

    async def capi(request: Request, *, validate_only: bool = False) -> Response:
        """Log events of the one advertiser that the key belongs to."""

        async def answer() -> Response:
            key, advertiser_id = api.caller_for_one(request, "write")
            body = await read_body(request)
            try:
                found = await api.calls.take(
                    advertiser_id, body, validate_only=validate_only, agent=key.id, only=key.sources
                )
            except ProblemError as error:
                is_unknown = error.problem is NOT_FOUND
                raise (ProblemError(NOT_PERMITTED) if is_unknown else error) from error
            return api.answer(found.rest(), found.receipt, is_replayed=found.is_replayed)

        return await answered("capi", answer, texts=CAPI_MESSAGES)

    shown = described(ANSWER, body=LOG_EVENT, example=LOG_EVENT_EXAMPLE)
    for prefix in BUYER:
        router.post(f"{prefix}/log-event", summary="Log events", **shown)(log_event)
    router.post("/agentic/v1/capi", summary="Conversion API", **shown)(capi)
    return router
