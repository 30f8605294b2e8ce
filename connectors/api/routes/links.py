"""Routes that people's browsers call: the redirect of a click, and the pixel of an impression.

No API key: a link is its own permission.
"""

from base64 import b64decode
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from attribution.ingest.problems import CallProblem
from connectors.api.context import Api
from connectors.api.guard import ProblemError
from connectors.api.links import CLICK_PATH, PIXEL_PATH
from connectors.api.rendering import answered

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

    for path, route, summary in ((CLICK_PATH, click, "Click"), (PIXEL_PATH, pixel, "Pixel")):
        router.get(path, summary=summary)(route)
        router.head(path, include_in_schema=False)(route)
    return router


def _never_cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _is_ahead(request: Request) -> bool:
    """Return whether a browser loads ahead of a click that may never come."""
    said = " ".join(request.headers.get(name, "") for name in PURPOSES).lower()
    return any(word in said for word in ("prefetch", "prerender", "preview"))
