"""The pages over HTTP: report, conversion, test console, and the streams of their changes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from connectors.api.limits import LIVE_PATHS
from flows.report.messages import Wanted
from flows.report.page import SERVED_POLICY
from flows.report.selection import NAME_LETTERS_MAX, Selection, SelectionError, selected
from flows.serve.pages.access import Access
from flows.serve.pages.rendering import Renderer
from flows.serve.pages.snapshots import Snapshots
from flows.serve.pages.stream import Streams
from flows.serve.pages.views import console_view, conversion_view, message_view, report_view

REPORT_STREAM, CONSOLE_STREAM = LIVE_PATHS

PATIENCE_SECONDS: Final = 10.0
"""How long a page waits for its numbers; then it comes without them, or with earlier ones."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": SERVED_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

CLOSED: Final = (
    "Open the address that `tributary up` or `tributary serve` printed when it started: it ends in "
    "?key=… and lets this browser in for 30 days."
)

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Pages:
    """The pages of a result."""

    database: Path
    access: Access
    renderer: Renderer = field(init=False)
    snapshots: Snapshots = field(init=False)
    streams: Streams = field(init=False)

    def __post_init__(self) -> None:
        """Render nothing yet."""
        self.renderer = Renderer(self.database)
        self.snapshots = Snapshots(self.renderer.ask)
        self.streams = Streams(self.snapshots)

    def router(self) -> APIRouter:
        """Return the routes."""
        router = APIRouter(include_in_schema=False)
        routes = {
            "/": self._report,
            "/test": self._console,
            "/conversions": self._search,
            "/conversions/{event:path}": self._conversion,
            REPORT_STREAM: self._follow_report,
            CONSOLE_STREAM: self._follow_console,
        }
        for path, answer in routes.items():
            router.add_api_route(path, partial(_with_headers, self._admitted(answer)))
        return router

    def _admitted(self, answer: Answer) -> Answer:
        async def admitted(request: Request) -> Response:
            if (entered := self.access.entered(request)) is not None:
                return entered
            if not self.access.may_see(request.cookies):
                return HTMLResponse(message_view("This page is not public", CLOSED), 401)
            try:
                return await answer(request)
            except SelectionError as error:
                return HTMLResponse(message_view("There is no such report", f"{error}."), 400)

        return admitted

    async def _report(self, request: Request) -> Response:
        wanted = Wanted(page="report", selection=_selection(request))
        snapshot = await self.snapshots.latest(wanted, PATIENCE_SECONDS)
        return HTMLResponse(report_view(wanted, snapshot, REPORT_STREAM))

    async def _console(self, _request: Request) -> Response:
        snapshot = await self.snapshots.latest(Wanted(page="console"), PATIENCE_SECONDS)
        return HTMLResponse(console_view(snapshot, CONSOLE_STREAM))

    async def _search(self, request: Request) -> Response:
        event = request.query_params.get("event", "")
        if not event:
            return RedirectResponse("/", 303)
        return await self._about(event)

    async def _conversion(self, request: Request) -> Response:
        return await self._about(request.path_params["event"])

    async def _about(self, event: str) -> Response:
        if len(event) > NAME_LETTERS_MAX or not event.isprintable():
            return HTMLResponse(message_view("No event has this id", "No id is like that."), 404)
        snapshot = await self.snapshots.latest(
            Wanted(page="conversion", event=event), PATIENCE_SECONDS
        )
        is_missing = not snapshot.parts and not snapshot.problem
        return HTMLResponse(conversion_view(event, snapshot), 404 if is_missing else 200)

    async def _follow_report(self, request: Request) -> Response:
        return self._follow(request, Wanted(page="report", selection=_selection(request)))

    async def _follow_console(self, request: Request) -> Response:
        return self._follow(request, Wanted(page="console"))

    def _follow(self, request: Request, wanted: Wanted) -> Response:
        if self.streams.is_full:
            return PlainTextResponse("too many pages are followed; load this one again", 503)
        last = request.headers.get("last-event-id")
        return self.streams.follow(request, wanted, last or request.query_params.get("have", ""))


async def _with_headers(answer: Answer, request: Request) -> Response:
    response = await answer(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _selection(request: Request) -> Selection:
    chosen = request.query_params
    return selected(*(chosen.get(name) for name in ("advertiser", "from", "to", "currency")))
