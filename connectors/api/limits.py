"""How much a key may send, and how many calls are answered at once.

Beyond its rate a sender is refused with 429: it has to slow down. Beyond what is answered at once,
anybody is refused with 503: the server is busy.
"""

import math
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attribution.ingest.problems import rate_limited, unavailable
from connectors.api.buckets import Buckets
from connectors.api.guard import ProblemError
from connectors.api.links import CLICK_PATH, PIXEL_PATH
from connectors.api.rendering import CALLS, refused

STANDING: Final = "tributary.standing"
"""Where the standing of a call's key is, in its scope."""

LIVE_PATHS: Final = ("/live/report", "/live/console")
"""Streams of the pages for people; they last, and those who render them limit their number."""

UNLIMITED: Final = ("/healthz", "/readyz", "/metrics", CLICK_PATH, PIXEL_PATH, *LIVE_PATHS)
"""Paths that are answered however busy the server is: a click must always be redirected."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed: per key and minute (0: any number), and at once."""

    requests_per_minute: int = 60_000
    events_per_minute: int = 6_000_000
    calls_at_once: int = 512


@dataclass(frozen=True, slots=True)
class Standing:
    """What a key may still send: `remaining` of `limit` now, and all again in `reset_seconds`."""

    limit: int
    remaining: int
    reset_seconds: int


class Rate:
    """How much each key may send: the bucket of a key holds a minute's worth."""

    def __init__(self, per_minute: int, what: str, clock: Callable[[], float] = monotonic) -> None:
        """Start with full buckets; `what` is counted, in messages."""
        self._per_minute, self._what = per_minute, what
        self._buckets: Buckets[str] = Buckets(per_minute, per_minute / 60, clock)

    def take(self, key_id: str, count: int) -> Standing | None:
        """Take from the bucket of a key; raises ProblemError where it does not hold enough.

        A call larger than the bucket is let in once the bucket is full, and leaves a debt. Return
        None without a limit.
        """
        most = self._per_minute
        if most == 0:
            return None
        missing = min(count, most) - self._buckets.left(key_id)
        if missing > 0:
            raise ProblemError(rate_limited(most, self._what, self._seconds(missing)))
        self._buckets.spend(key_id, count)
        left = self._buckets.left(key_id)
        return Standing(most, max(int(left), 0), self._seconds(most - left))

    def _seconds(self, tokens: float) -> int:
        """Return how long a bucket takes to gain so many."""
        return math.ceil(tokens * 60 / self._per_minute)


@dataclass(slots=True)
class Rates:
    """The rates of requests and of events."""

    limits: Limits
    requests: Rate = field(init=False)
    events: Rate = field(init=False)

    def __post_init__(self) -> None:
        """Start with full buckets."""
        self.requests = Rate(self.limits.requests_per_minute, "requests")
        self.events = Rate(self.limits.events_per_minute, "events")

    def count_request(self, key_id: str, scope: MutableMapping[str, Any]) -> None:
        """Count a request, and leave its standing in the scope; raises ProblemError."""
        scope[STANDING] = self.requests.take(key_id, 1)


class LimitedApp:
    """An application that answers so many calls at once, and says how its senders stand."""

    def __init__(self, app: ASGIApp, calls_at_once: int) -> None:
        """Wrap an application."""
        self._app, self._most = app, calls_at_once
        self._now = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, or refuse it for now."""
        if scope["type"] != "http" or scope["path"] in UNLIMITED:
            await self._app(scope, receive, send)
            return
        if self._now >= self._most:
            CALLS.labels("busy", 503).inc()
            answer = refused(unavailable("too many calls at once; send it again"), {})
            await answer(scope, receive, send)
            return

        async def with_standing(message: Message) -> None:
            standing = scope.get(STANDING)
            if message["type"] == "http.response.start" and standing is not None:
                message["headers"] = [*message["headers"], *_headers(standing)]
            await send(message)

        self._now += 1
        try:
            await self._app(scope, receive, with_standing)
        finally:
            self._now -= 1


def _headers(standing: Standing) -> list[tuple[bytes, bytes]]:
    named = {
        "ratelimit-limit": standing.limit,
        "ratelimit-remaining": standing.remaining,
        "ratelimit-reset": standing.reset_seconds,
    }
    return [(name.encode(), str(value).encode()) for name, value in named.items()]
