"""Streams of server-sent events: the parts of a page that changed, to everybody who looks at it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic
from typing import Final

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.requests import Request
from starlette.responses import StreamingResponse

from flows.report.messages import Wanted
from flows.serve.pages.snapshots import LOOK_SECONDS, Snapshot, Snapshots
from flows.serve.pages.views import STATUS, status

VIEWERS_MAX: Final = 64
"""Pages that are followed at once; whoever comes later sees a page that does not change."""

ALIVE_SECONDS: Final = 15.0
"""How often a stream without changes says that it is there."""

AGAIN_MILLISECONDS: Final = 2_000
"""When a browser comes back after its stream has ended."""


@dataclass(slots=True)
class Streams:
    """The pages that are being followed."""

    snapshots: Snapshots
    viewers: int = 0

    @property
    def is_full(self) -> bool:
        """Return whether nobody else can follow a page now."""
        return self.viewers >= VIEWERS_MAX

    def follow(self, request: Request, wanted: Wanted, have: str) -> StreamingResponse:
        """Return the changes of a page since the version that the viewer has."""
        changes = self._counted(request, self._changes(wanted, have))
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(changes, media_type="text/event-stream", headers=headers)

    async def _counted(
        self, request: Request, changes: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        self.viewers += 1
        try:
            async for change in changes:
                if change:
                    yield change
                if _is_ending() or await request.is_disconnected():
                    return
        finally:
            self.viewers -= 1

    async def _changes(self, wanted: Wanted, have: str) -> AsyncIterator[bytes]:
        """Yield what has changed, and nothing at each look without a change."""
        seen: dict[str, str] = {}
        spoken = monotonic()
        while True:
            snapshot = await self.snapshots.latest(wanted, LOOK_SECONDS)
            if not seen and snapshot.version == have:
                seen = dict(snapshot.parts)
            parts = {**snapshot.parts, STATUS: str(status(snapshot))}
            changed = {name: html for name, html in parts.items() if seen.get(name) != html}
            for name, html in changed.items():
                yield _event(name, html, snapshot)
            seen |= changed
            if changed:
                spoken = monotonic()
            elif monotonic() - spoken > ALIVE_SECONDS:
                spoken = monotonic()
                yield KEEPALIVE_COMMENT
            yield b""
            await asyncio.sleep(LOOK_SECONDS)


def _event(name: str, html: str, snapshot: Snapshot) -> bytes:
    data = json.dumps({"id": name, "html": html})
    return format_sse_event(
        data_str=data, event="part", id=snapshot.version, retry=AGAIN_MILLISECONDS
    )


def _is_ending() -> bool:
    """Return whether the server was asked to end: it waits for streams, so they have to see it.

    The handler of the signal is a method of the server.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
