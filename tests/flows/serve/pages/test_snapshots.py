"""A page is made once per commit, however many look, and not more often than it may."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from flows.report.messages import Rendered, Wanted
from flows.serve.pages import snapshots
from flows.serve.pages.snapshots import KEPT_MAX, Snapshots

REPORT = Wanted(page="report")


@dataclass
class Job:
    """A result that grows: it renders its commit."""

    commit: int = 1
    asked: list[str] = field(default_factory=list)
    problem: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def render(self, wanted: Wanted) -> Rendered:
        self.asked.append(wanted.have)
        await self.gate.wait()
        if self.problem:
            return Rendered(problem=self.problem)
        version = str(self.commit)
        parts = None if wanted.have == version else {"funnel": f"<p>{version}</p>"}
        return Rendered(version=version, commit=self.commit, is_running=True, parts=parts)


def run(scene: Callable[[Job, Snapshots], Awaitable[None]], *, is_slow: bool = False) -> Job:
    async def play() -> Job:
        job = Job()
        if not is_slow:
            job.gate.set()
        await scene(job, Snapshots(job.render))
        return job

    return asyncio.run(play())


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(snapshots, "REST", 0)


def test_viewers_share_what_is_being_made() -> None:
    async def scene(job: Job, kept: Snapshots) -> None:
        viewers = [asyncio.create_task(kept.latest(REPORT, 10)) for _ in range(20)]
        await asyncio.sleep(0)
        job.gate.set()
        seen = await asyncio.gather(*viewers)
        assert {snapshot.parts["funnel"] for snapshot in seen} == {"<p>1</p>"}

    assert run(scene, is_slow=True).asked == [""]


def test_a_page_is_made_again_for_a_new_commit_only() -> None:
    async def scene(job: Job, kept: Snapshots) -> None:
        first = await kept.latest(REPORT, 10)
        assert await kept.latest(REPORT, 10) == first
        job.commit = 2
        second = await kept.latest(REPORT, 10)
        assert (second.commit, second.parts) == (2, {"funnel": "<p>2</p>"})

    assert run(scene).asked == ["", "1", "1"]


def test_who_does_not_wait_sees_the_page_of_before() -> None:
    async def scene(job: Job, kept: Snapshots) -> None:
        await kept.latest(REPORT, 10)
        job.gate.clear()
        job.commit = 2
        assert (await kept.latest(REPORT, 0)).commit == 1
        job.gate.set()
        assert (await kept.latest(REPORT, 10)).commit == 2

    run(scene)


def test_a_page_rests_after_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(snapshots, "monotonic", lambda: now)
    monkeypatch.setattr(snapshots, "REST", 3)
    monkeypatch.setattr(snapshots, "LOOK_SECONDS", 1.0)

    async def scene(job: Job, kept: Snapshots) -> None:
        nonlocal now
        viewer = asyncio.create_task(kept.latest(REPORT, 10))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now += 2.0  # so long takes the page
        job.gate.set()
        await viewer
        job.commit = 2
        now += 5.9
        assert (await kept.latest(REPORT, 10)).commit == 1
        now += 0.1
        assert (await kept.latest(REPORT, 10)).commit == 2

    run(scene, is_slow=True)


def test_a_problem_keeps_the_numbers_of_before() -> None:
    async def scene(job: Job, kept: Snapshots) -> None:
        job.problem = "There is no result yet."
        assert (await kept.latest(REPORT, 10)).problem == job.problem
        job.problem = ""
        await kept.latest(REPORT, 10)
        job.problem = "The result cannot be read now."
        gone = await kept.latest(REPORT, 10)
        assert (gone.problem, gone.parts) == (job.problem, {"funnel": "<p>1</p>"})
        assert not gone.is_running
        job.problem = ""
        assert (await kept.latest(REPORT, 10)).problem == ""

    run(scene)


def test_pages_that_are_kept_are_bounded() -> None:
    async def scene(job: Job, kept: Snapshots) -> None:
        for number in range(KEPT_MAX + 1):
            await kept.latest(Wanted(page="conversion", event=str(number)), 10)
        job.asked.clear()
        await kept.latest(Wanted(page="conversion", event=str(KEPT_MAX)), 10)
        await kept.latest(Wanted(page="conversion", event="0"), 10)

    assert run(scene).asked == ["1", ""]
