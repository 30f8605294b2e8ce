"""The HTTP API, built from what it is given: routes that read a call, and render its answer.

Bodies are read and judged by our own code; the framework routes and describes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest

from attribution.contract.document import Unreadable, read_document
from attribution.ingest.problems import (
    CAPI_MESSAGES,
    NOT_FOUND,
    NOT_PERMITTED,
    CallProblem,
    bad_json,
    invalid,
)
from connectors.api.calls import Answer, LogEvents
from connectors.api.guard import Guard, ProblemError, read_body
from connectors.api.keys import ApiKey
from connectors.api.sources import Sources
from connectors.release import release

BUYER: Final = (
    "/api/buyer/advertisers/{advertiser_id}",
    "/api/v2/buyer/advertisers/{advertiser_id}",
)
RECEIPT: Final = "Tributary-Receipt"

METRICS: Final = CollectorRegistry()
"""Metrics of the API; they never hold an identifier, a key or a payload."""

# Refusals rise: a sender has changed. 503 rises: the disk is full or slow.
CALLS: Final = Counter(
    "tributary_api_calls", "Calls by route and status", ["route", "status"], registry=METRICS
)


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes work with; `is_wrapped` puts successful answers into `data`."""

    guard: Guard
    calls: LogEvents
    sources: Sources
    is_wrapped: bool = False


def build_app(api: Api) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="Tributary", version=release(), docs_url="/docs", redoc_url=None)
    routes = _Routes(api)
    for prefix in BUYER:
        app.post(f"{prefix}/log-event", summary="Log events")(routes.log_event)
        app.post(f"{prefix}/event-sources/sync", summary="Sync event sources")(routes.sync)
        app.get(f"{prefix}/event-sources", summary="List event sources")(routes.list_sources)
    app.post("/agentic/v1/capi", summary="Conversion API")(routes.capi)
    app.get("/healthz", summary="Whether the process is alive")(_healthy)
    app.get("/readyz", summary="Whether calls can be stored")(routes.ready)
    app.get("/metrics", include_in_schema=False)(_metrics)
    return app


class _Routes:
    """One method per route."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def log_event(
        self, request: Request, advertiser_id: str, *, validate_only: bool = False
    ) -> Response:
        """Log 1 to 10,000 events of an advertiser."""

        async def answer() -> Response:
            self._caller(request, "write", advertiser_id)
            body = await read_body(request)
            found = await self._api.calls.take(advertiser_id, body, validate_only=validate_only)
            return self._answer(found.rest(), found)

        return await _answered("log-event", answer)

    async def capi(self, request: Request, *, validate_only: bool = False) -> Response:
        """Log events of the one advertiser that the key belongs to."""

        async def answer() -> Response:
            key = self._api.guard.caller(request.headers)
            if len(key.advertisers) != 1 or not key.may("write"):
                raise ProblemError(NOT_PERMITTED)
            (advertiser_id,) = key.advertisers
            body = await read_body(request)
            try:
                found = await self._api.calls.take(advertiser_id, body, validate_only=validate_only)
            except ProblemError as error:
                raise (
                    ProblemError(NOT_PERMITTED) if error.problem is NOT_FOUND else error
                ) from error
            return self._answer(found.rest(), found)

        return await _answered("capi", answer, texts=CAPI_MESSAGES)

    async def sync(self, request: Request, advertiser_id: str) -> Response:
        """Create, update and delete event sources."""

        async def answer() -> Response:
            self._caller(request, "admin", advertiser_id)
            document = read_document(await read_body(request))
            if isinstance(document, Unreadable):
                raise ProblemError(bad_json(document.message))
            results = await self._api.sources.sync(advertiser_id, document)
            return self._answer({"event_sources": results})

        return await _answered("event-sources/sync", answer)

    async def list_sources(
        self, request: Request, advertiser_id: str, take: int = 50, skip: int = 0
    ) -> Response:
        """List event sources."""

        async def answer() -> Response:
            self._caller(request, "read", advertiser_id)
            if not 1 <= take <= TAKE_MAX or skip < 0:
                raise ProblemError(invalid(f"take is expected from 1 to {TAKE_MAX}", "take"))
            found = self._api.sources.of(advertiser_id)
            items = [
                {
                    "eventSourceId": each.event_source_id,
                    "name": each.name,
                    "eventTypes": sorted(each.event_types) if each.event_types else None,
                    "allowedDomains": list(each.allowed_domains),
                    "testEventCode": each.test_event_code,
                }
                for each in found[skip : skip + take]
            ]
            return self._answer({"eventSources": items, "total": len(found)})

        return await _answered("event-sources", answer)

    async def ready(self) -> Response:
        """Return 200 if a call can be stored now."""
        is_ready = self._api.calls.spool.has_room()
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    def _caller(self, request: Request, right: str, advertiser_id: str) -> ApiKey:
        key = self._api.guard.caller(request.headers)
        if not key.may(right, advertiser_id):
            raise ProblemError(NOT_FOUND if key.may(right) else NOT_PERMITTED)
        return key

    def _answer(self, content: dict[str, Any], answer: Answer | None = None) -> Response:
        headers = {}
        if answer is not None and answer.receipt is not None:
            receipt = answer.receipt
            headers[RECEIPT] = f"events/{receipt.partition}@{receipt.offset}"
        wrapped = {"data": content, "error": None} if self._api.is_wrapped else content
        return JSONResponse(wrapped, headers=headers)


TAKE_MAX: Final = 250
"""Items of one page."""


async def _answered(
    route: str, answer: Callable[[], Awaitable[Response]], texts: dict[str, str] | None = None
) -> Response:
    """Answer a call, and count it; a refused one as its problem says."""
    try:
        response = await answer()
    except ProblemError as error:
        response = _refused(error.problem, texts or {})
    CALLS.labels(route, response.status_code).inc()
    return response


def _refused(problem: CallProblem, texts: dict[str, str]) -> Response:
    error: dict[str, Any] = {
        "code": problem.code,
        "message": texts.get(problem.code, problem.message),
    }
    error |= {"field": problem.field} if problem.field else {}
    error |= {"details": problem.details} if problem.details else {}
    retry = problem.retry_after_seconds
    headers = {} if retry is None else {"Retry-After": str(retry)}
    return JSONResponse({"data": None, "error": error}, problem.status, headers)


async def _healthy() -> dict[str, str]:
    return {"status": "ok"}


async def _metrics() -> Response:
    return Response(generate_latest(METRICS), media_type=CONTENT_TYPE_LATEST)
