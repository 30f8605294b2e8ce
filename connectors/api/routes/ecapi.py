"""The route of IAB Tech Lab's ECAPI: one event per call, mapped to log-event."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attribution.contract.document import write_document
from attribution.ingest.ecapi import from_ecapi
from attribution.ingest.problems import CAPI_MESSAGES
from connectors.api.context import Api, read_object
from connectors.api.description import described
from connectors.api.rendering import answered
from connectors.api.schemas import ANSWER, ECAPI


def ecapi_router(api: Api) -> APIRouter:
    """Return the route."""
    router = APIRouter(tags=["Events"])

    async def event(request: Request, *, validate_only: bool = False) -> Response:
        """Log one event of ECAPI 1.0; `mapping` says what became of its fields."""

        async def answer() -> Response:
            key, advertiser_id = api.caller_for_one(request, "write")
            call, report = from_ecapi(await read_object(request))
            body = write_document(call)
            found = await api.calls.take(
                advertiser_id, body, validate_only=validate_only, agent=key.id, only=key.sources
            )
            mapping = {"mapped": report.mapped, "dropped": report.dropped}
            return api.answer(found.rest() | {"mapping": mapping}, found.receipt)

        return await answered("ecapi", answer, texts=CAPI_MESSAGES)

    shown = described(ANSWER, body=ECAPI)
    router.post("/agentic/v1/events", summary="Log an event of ECAPI 1.0", **shown)(event)
    return router
