"""What is refused for now: senders that are too fast or too slow, and too many calls at once."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from connectors.api import guard
from connectors.api.guard import ProblemError
from connectors.api.limits import LimitedApp, Rate
from tests.connectors.api.conftest import Served
from tests.connectors.api.test_app import call
from tests.support import raw


def test_a_key_is_refused_beyond_its_rate_and_let_in_again(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    rate = Rate(120, "requests", clock=lambda: now)
    monkeypatch.setattr(registered.rates, "requests", rate)
    first = registered.log(call(raw.event()))
    assert first.headers["RateLimit-Limit"] == "120"
    assert int(first.headers["RateLimit-Remaining"]) == 119
    answers = [registered.log({}) for _ in range(120)]
    refused = answers[-1]
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert int(refused.headers["Retry-After"]) == 1
    _, other = registered.keys.create("other")
    headers = {"Authorization": f"Bearer {other}"}
    assert registered.log(call(raw.event()), headers=headers).status_code == 200
    now = 0.6
    assert registered.log(call(raw.event())).status_code == 200
    assert registered.client.get("/healthz").status_code == 200


def test_events_count_apart_from_requests_and_are_not_stored_beyond_the_rate(
    served: Served,
) -> None:
    rate = served.rates.events
    for key in served.keys.all():
        rate.take(key.id, 10 * served.rates.limits.events_per_minute)
    body = {"event_sources": [{"event_source_id": "src"}]}
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    assert served.client.post(path, json=body).status_code == 200
    refused = served.log(call(*[raw.event(f"e{at}") for at in range(10_000)]))
    assert refused.status_code == 429, refused.text
    dry = served.log(call(raw.event()), params={"validate_only": "true"})
    assert dry.status_code == 200
    assert served.stored() == []


def test_a_batch_larger_than_the_bucket_waits_for_a_full_one() -> None:
    rate = Rate(60, "events")
    rate.take("key", 100)
    with pytest.raises(ProblemError) as refused:
        rate.take("key", 100)
    assert refused.value.problem.retry_after_seconds == 100


def test_without_a_limit_nothing_is_counted() -> None:
    assert Rate(0, "events").take("key", 1_000_000) is None


@pytest.mark.parametrize("path", ["/t/c", "/t/i.gif", "/healthz", "/agentic/v1/capi"])
def test_however_busy_it_is_whoever_clicks_gets_on(path: str) -> None:
    async def redirect(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(None, 302)(scope, receive, send)

    async def status() -> int:
        busy = httpx.ASGITransport(LimitedApp(redirect, calls_at_once=0))
        async with httpx.AsyncClient(transport=busy, base_url="http://api") as client:
            return (await client.get(path)).status_code

    assert asyncio.run(status()) == (503 if path == "/agentic/v1/capi" else 302)


def test_more_calls_than_are_answered_at_once_are_refused() -> None:
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def all_of_them() -> list[int]:
        app = LimitedApp(slow, calls_at_once=2)
        statuses: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> Message:
            return {"type": "http.request"}

        def ask() -> Any:  # noqa: ANN401  a coroutine
            return app({"type": "http", "path": "/", "headers": []}, receive, send)

        waiting = [asyncio.ensure_future(ask()) for _ in range(2)]
        await asyncio.sleep(0)
        await ask()
        release.set()
        await asyncio.gather(*waiting)
        await ask()
        return statuses

    assert asyncio.run(all_of_them()) == [503, 200, 200, 200]


def unfinished(served: Served, length: int) -> bytes:
    """Announce a body, send its first byte, and return how the answer begins."""
    url = urlsplit(str(served.client.base_url))
    head = (
        "POST /api/buyer/advertisers/adv/log-event HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {served.client.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
    )
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as sender:
        sender.sendall(head.encode())
        return sender.recv(1_000)


def test_a_body_that_never_ends_is_given_up(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS_MAX", 0.3)
    assert unfinished(registered, 100).startswith(b"HTTP/1.1 408 ")
    assert registered.stored() == []


def test_an_announced_giant_is_refused_unread(registered: Served) -> None:
    assert unfinished(registered, 1 << 40).startswith(b"HTTP/1.1 413 ")
