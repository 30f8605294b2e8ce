"""The HTTP API, built from what it is given.

Bodies are read and judged by our own code; the framework routes and describes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from attribution.ingest.problems import CallProblem, invalid
from connectors.api.context import Api
from connectors.api.description import SECURITY
from connectors.api.limits import LimitedApp
from connectors.api.rendering import failure, refused
from connectors.api.routes.delivery import delivery_router
from connectors.api.routes.ecapi import ecapi_router
from connectors.api.routes.events import events_router
from connectors.api.routes.impressions import impressions_router
from connectors.api.routes.links import links_router
from connectors.api.routes.measurements import measurements_router
from connectors.api.routes.operations import operations_router
from connectors.api.routes.reads import reads_router
from connectors.api.routes.sources import sources_router
from connectors.release import release

LOG: Final = structlog.get_logger("tributary")

ROUTERS: Final = (
    events_router,
    ecapi_router,
    impressions_router,
    links_router,
    sources_router,
    measurements_router,
    reads_router,
    delivery_router,
    operations_router,
)


class _Described(FastAPI):
    """An application whose description says how to authenticate."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = SECURITY
        return document


def build_app(api: Api, *pages: APIRouter) -> LimitedApp:
    """Return the application; `pages` are routes for people."""
    app = _Described(title="Tributary", version=release(), docs_url="/docs", redoc_url=None)
    for router in ROUTERS:
        app.include_router(router(api))
    for router_of_pages in pages:
        app.include_router(router_of_pages)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_exception_handler(Exception, _failed)
    _add_tools(app, api)
    return LimitedApp(app, api.rates.limits.calls_at_once)


async def _bad_parameter(request: Request, error: Exception) -> Response:
    """Refuse a parameter of the path or query that the framework has checked."""
    del request
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return refused(invalid(str(first["msg"]), str(first["loc"][-1])), {})


async def _no_such_route(request: Request, error: Exception) -> Response:
    """Answer for paths and methods that do not exist, in the form of all refusals."""
    del request
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name
    answer = refused(CallProblem(error.status_code, code, str(error.detail)), {})
    answer.headers.update(error.headers or {})
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    """Answer for a fault of the program; the log has where, without what was sent."""
    del request
    return refused(failure(error), {})


def _add_tools(app: FastAPI, api: Api) -> None:
    """Add the tools of AdCP, if what they need is installed."""
    try:
        from connectors.api.routes.mcp import mcp_routes  # noqa: PLC0415  an optional extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        LOG.info("no AdCP tools: they need the extra adcp, as in tributary-attribution[adcp]")
        return
    routes, manager = mcp_routes(api)
    app.router.routes.extend(routes)

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        async with manager.run():
            yield

    # The routes answer nothing unless their manager runs.
    app.router.lifespan_context = running
