"""Routes that people's browsers call: the redirect of a click, and the pixel of an impression.

No API key: a link is its own permission.
"""

from base64 import b64decode
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attribution.ingest.problems import CallProblem
from connectors.api.context import Api
from connectors.api.description import ERROR
from connectors.api.guard import ProblemError
from connectors.api.links import CLICK_PATH, PARAMETERS, PIXEL_PATH, SIGNATURE
from connectors.api.rendering import answered
from connectors.api.schemas import Json

GIF: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent pixel."""

PURPOSES: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
"""Headers by which a browser says that nobody has clicked yet."""

NOT_YET: Final = CallProblem(503, "PREFETCH_REFUSED", "a click is recorded when somebody clicks")
"""Browsers drop such an answer and ask again at the click; a redirect they would keep."""


def links_router(api: Api) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["Links"])

    async def click(request: Request) -> Response:
        """Record a click and redirect to the landing page of a signed link, with `sc3clid`."""

        async def answer() -> Response:
            link = api.links.read(request.query_params, CLICK_PATH)
            if _is_ahead(request):
                raise ProblemError(NOT_YET)
            is_click = request.method == "GET"
            page = await api.links.clicked(link) if is_click else link.target
            return Response(None, 302, {"Location": str(page)})

        return _never_cached(await answered("click", answer))

    async def pixel(request: Request) -> Response:
        """Record the impression of a signed link; answer a transparent GIF of one pixel."""

        async def answer() -> Response:
            link = api.links.read(request.query_params, PIXEL_PATH)
            if request.method == "GET" and not _is_ahead(request):
                await api.links.seen(link)
            return Response(GIF, media_type="image/gif")

        return _never_cached(await answered("pixel", answer))

    page: dict[int, Json] = {302: {"description": "To the landing page, with sc3clid"}}
    image: dict[int, Json] = {
        200: {"description": "A transparent pixel", "content": {"image/gif": {}}}
    }
    for path, route, summary, answer in (
        (CLICK_PATH, click, "Click", page),
        (PIXEL_PATH, pixel, "Pixel", image),
    ):
        shown = _described(answer, is_click=path == CLICK_PATH)
        router.get(path, summary=summary, **shown)(route)
        router.head(path, include_in_schema=False)(route)
    return router


def _described(answer: dict[int, Json], *, is_click: bool) -> Json:
    """Return what FastAPI takes to describe a route: a link is made by `tributary link`."""
    content = {"application/json": {"schema": ERROR}}
    statuses = {
        403: "The link was not made by this server",
        410: "The link has expired",
        503: "Nobody has clicked yet: a browser loads ahead",
    }
    refusals = {
        status: {"description": text, "content": content} for status, text in statuses.items()
    }
    keys = [key for name, key in PARAMETERS.items() if is_click or name != "target"]
    parameters = [
        {"name": key, "in": "query", "schema": {"type": "string"}} for key in [*keys, SIGNATURE]
    ]
    return {
        "openapi_extra": {"parameters": parameters},
        "responses": {**answer, **refusals, "default": {"description": "The server has failed"}},
        "response_class": Response,
        "status_code": next(iter(answer)),
    }


def _never_cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _is_ahead(request: Request) -> bool:
    """Return whether a browser loads ahead of a click that may never come."""
    said = " ".join(request.headers.get(name, "") for name in PURPOSES).lower()
    return any(word in said for word in ("prefetch", "prerender", "preview"))
