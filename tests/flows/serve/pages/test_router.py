"""The pages over HTTP, rendered in the process of the test where nothing else is said."""

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path

import duckdb
import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from flows.report.messages import Rendered, Wanted
from flows.report.page import SERVED_POLICY
from flows.report.renderer import rendered
from flows.serve.pages import snapshots, stream
from flows.serve.pages.access import Access
from flows.serve.pages.rendering import Renderer
from flows.serve.pages.router import Pages
from flows.serve.pages.snapshots import Snapshots
from flows.serve.pages.stream import Streams
from tests.support.decoded import write_result
from tests.support.pages import Page
from tests.support.reported import LOG, SCRIPT

ACCESS = Access(b"secret")
Get = Callable[..., Awaitable[httpx.Response]]
Scene = Callable[[Get, Pages], Awaitable[None]]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_result(tmp_path_factory.mktemp("pages") / "result.duckdb", LOG)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.report.charts.can_draw", lambda: False)
    monkeypatch.setattr(snapshots, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(snapshots, "REST", 0)
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0.01)


def in_process(database: Path) -> Snapshots:
    async def render(wanted: Wanted) -> Rendered:
        return rendered(database, wanted)

    return Snapshots(render)


def visit(database: Path, scene: Scene, *, is_let_in: bool = True) -> None:
    async def play() -> None:
        pages = Pages(database, ACCESS)
        pages.snapshots = in_process(database)
        app = FastAPI()
        app.include_router(pages.router())
        cookies = {ACCESS.cookie_name: ACCESS.cookie_value} if is_let_in else {}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://pages", cookies=cookies
        ) as client:
            await scene(client.get, pages)

    asyncio.run(play())


def test_the_report_is_complete_without_a_script(result: Path) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        answer = await get("/")
        page = Page(answer.text)
        assert answer.status_code == 200
        assert page.panels["coverage"].answer == "9 conversions out of 13 events that came in."
        assert "The job is not running. Its last numbers, of commit 0" in page.text
        assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in answer.text
        links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
        assert [link for link in links if link and link.startswith("/conversions/")]
        assert SCRIPT not in answer.text

    visit(result, scene)


def test_pages_say_what_they_may_do(result: Path) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        for path in ("/test", "/conversions/two", "/conversions/none", "/?from=no"):
            headers = (await get(path)).headers
            assert headers["content-security-policy"] == SERVED_POLICY
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"

    visit(result, scene)


@pytest.mark.parametrize(
    "path", ["/", "/test", "/conversions/two", "/conversions?event=two", "/live/report"]
)
def test_without_the_cookie_nothing_is_shown(result: Path, path: str) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        for query in ("", "key=wrong"):
            answer = await get(f"{path}{'&' if '?' in path else '?'}{query}")
            assert answer.status_code == 401
            assert "Open the address that `tributary up`" in Page(answer.text).text
            assert "two" not in answer.text
            assert answer.headers["content-security-policy"] == SERVED_POLICY

    visit(result, scene, is_let_in=False)


def test_the_key_lets_in(result: Path) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        answer = await get(f"/test?key={ACCESS.key}&x=1", follow_redirects=True)
        assert str(answer.url) == "http://pages/test?x=1"
        assert "1 would be refused" in Page(answer.text).panels["tests"].answer
        assert ACCESS.key not in answer.text

    visit(result, scene, is_let_in=False)


def test_a_selection_that_cannot_be_is_explained(result: Path) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        answer = await get("/", params={"from": "<script>"})
        assert answer.status_code == 400
        assert "got '<script>'" in Page(answer.text).text

    visit(result, scene)


def test_events_are_found_by_id(result: Path) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        assert "Attributed to 2 touchpoints" in (await get("/conversions/two")).text
        assert "Attributed to 2 touchpoints" in (await get("/conversions?event=two")).text
        assert (await get("/conversions")).status_code == 303
        missing = await get("/conversions/a/b%3Cscript%3E")
        assert missing.status_code == 404
        assert "a/b<script>" in Page(missing.text).text
        assert (await get("/conversions/" + "x" * 257)).status_code == 404
        assert (await get("/conversions/%00")).status_code == 404

    visit(result, scene)


def test_without_a_result_the_pages_say_so_and_wait(tmp_path: Path) -> None:
    async def scene(get: Get, _pages: Pages) -> None:
        for path in ("/", "/test", "/conversions/two"):
            answer = await get(path)
            assert answer.status_code == 200
            assert "There is no result yet: the job has not made it." in Page(answer.text).text
        panels = Page((await get("/")).text).panels
        assert {panel.answer for panel in panels.values()} == {"The first numbers are being made."}

    visit(tmp_path / "none.duckdb", scene)


class Viewer(Request):
    """A browser that stays."""

    def __init__(self) -> None:
        super().__init__({"type": "http", "headers": []})
        self.is_gone = False

    async def is_disconnected(self) -> bool:
        return self.is_gone


async def parts(body: AsyncIterable[str | bytes | memoryview], number: int) -> dict[str, str]:
    """Return the next parts that a stream sends, by id."""
    found: dict[str, str] = {}
    async for sent in body:
        assert isinstance(sent, bytes)
        lines = sent.decode().splitlines()
        for part in [json.loads(line[6:]) for line in lines if line.startswith("data: ")]:
            found[part["id"]] = part["html"]
        if len(found) >= number:
            break
    return found


def test_a_stream_sends_what_has_changed(result: Path, tmp_path: Path) -> None:
    result = Path(shutil.copy(result, tmp_path))

    async def play() -> None:
        streams = Streams(in_process(result))
        viewer, wanted = Viewer(), Wanted(page="console")
        version = (await streams.snapshots.latest(wanted, 10)).version
        body = streams.follow(viewer, wanted, version).body_iterator
        assert list(await parts(body, 1)) == ["status"]
        assert streams.viewers == 1
        with duckdb.connect(result) as connection:
            connection.execute(
                "delete from rejections; insert into commits by name select 1 as seq"
            )
        changed = await parts(body, 2)
        assert set(changed) == {"refused", "status"}
        assert "None refused." in changed["refused"]
        viewer.is_gone = True
        assert await parts(body, 1) == {}
        assert streams.viewers == 0

    asyncio.run(play())


def test_streams_are_bounded(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "VIEWERS_MAX", 0)

    async def scene(get: Get, _pages: Pages) -> None:
        assert (await get("/live/report")).status_code == 503
        assert (await get("/test")).status_code == 200

    visit(result, scene)


@pytest.mark.long
def test_a_process_renders_and_is_started_again_after_it_was_killed(result: Path) -> None:
    async def play() -> None:
        renderer = Renderer(result)
        wanted = Wanted(page="conversion", event="two")
        first = await renderer.ask(wanted)
        assert first == rendered(result, wanted)
        await killed(renderer)
        assert (await renderer.ask(wanted)).parts == first.parts
        ended = renderer.process
        renderer.end()
        assert ended is not None
        assert await ended.wait() == -signal.SIGKILL

    asyncio.run(play())


async def killed(renderer: Renderer) -> None:
    assert renderer.process is not None
    renderer.process.kill()
    await renderer.process.wait()
