"""Questions to a result: once per commit, and refused for now while it cannot be read."""

import asyncio
import shutil
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from structlog.testing import capture_logs

from connectors.api import results as module
from connectors.api.guard import ProblemError
from connectors.api.results import Results
from connectors.sql.reader import Reader, open_reader


class Counted:
    """A result whose openings are counted, and a question whose runs are."""

    def __init__(self, folder: Path, empty_result: Path) -> None:
        self.database = folder / "result.duckdb"
        self._empty = empty_result
        self.opened = self.asked = 0
        self.readers: list[Reader] = []
        self.results = Results(self.database, self._open)

    def _open(self, database: Path) -> Reader:
        self.opened += 1
        self.readers.append(open_reader(database))  # kept: only what is closed lets go of the file
        return self.readers[-1]

    def commits(self, reader: Reader) -> int:
        self.asked += 1
        return reader.query("select count(*) from commits").num_rows and reader.commit()

    async def ask(self) -> int:
        return await self.results.ask("commits", self.commits)

    def write(self, seq: int) -> None:
        """Write a commit, as a job does that ends then."""
        if not self.database.exists():
            shutil.copy(self._empty, self.database)
        with duckdb.connect(self.database) as connection:
            connection.execute("insert into commits (seq) values (?)", [seq])


@pytest.fixture
def counted(tmp_path: Path, empty_result: Path) -> Iterator[Counted]:
    counted = Counted(tmp_path, empty_result)
    yield counted
    counted.results.close()


async def refusal(asked: Coroutine[Any, Any, int]) -> tuple[int, int | None, str]:
    with pytest.raises(ProblemError) as caught:
        await asked
    problem = caught.value.problem
    return problem.status, problem.retry_after_seconds, problem.message


def test_ten_pollers_cost_one_question_per_commit(counted: Counted) -> None:
    counted.write(1)

    async def polled() -> list[int]:
        return await asyncio.gather(*[counted.ask() for _ in range(10)])

    assert asyncio.run(polled()) == [1] * 10
    assert asyncio.run(polled()) == [1] * 10
    assert (counted.asked, counted.opened) == (1, 1), "a file at rest is not opened again"
    counted.write(2)
    assert asyncio.run(polled()) == [2] * 10
    assert (counted.asked, counted.opened) == (2, 2)


def test_different_questions_have_answers_of_their_own(counted: Counted) -> None:
    counted.write(7)

    async def both() -> tuple[int, int]:
        other = counted.results.ask(("other", 1), lambda reader: -reader.commit())
        return await counted.ask(), await other

    assert asyncio.run(both()) == (7, -7)
    assert asyncio.run(both()) == (7, -7)
    assert counted.asked == 1


def test_a_result_that_is_made_later_is_read_then(counted: Counted) -> None:
    status, retry, message = asyncio.run(refusal(counted.ask()))
    assert (status, retry) == (503, 2)
    assert "no result yet" in message
    counted.write(1)
    assert asyncio.run(counted.ask()) == 1


def test_a_result_that_is_being_written_is_read_afterwards(counted: Counted) -> None:
    counted.write(1)
    with duckdb.connect(counted.database), capture_logs() as logs:
        for _ in range(3):
            status, retry, message = asyncio.run(refusal(counted.ask()))
            assert (status, retry) == (503, 2)
            assert str(counted.database.parent) not in message
    assert [each["event"] for each in logs] == ["the result cannot be read"], "said once"
    assert asyncio.run(counted.ask()) == 1


def test_nothing_stays_open_that_would_keep_a_job_from_starting(counted: Counted) -> None:
    counted.write(1)
    assert asyncio.run(counted.ask()) == 1
    counted.write(2)


def test_a_slow_answer_is_not_waited_for_but_kept(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.write(1)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    go_on = threading.Event()

    def slow(reader: Reader) -> int:
        assert go_on.wait(10)
        return reader.commit() + counted.asked

    async def impatient() -> int:
        status, _, message = await refusal(counted.results.ask("s", slow))
        assert (status, "in time" in message) == (503, True)
        go_on.set()
        monkeypatch.setattr(module, "ANSWER_SECONDS", 10.0)
        return await counted.results.ask("s", slow)

    assert asyncio.run(impatient()) == 1


def test_so_many_questions_wait_and_no_more(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.write(1)
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    go_on = threading.Event()

    async def many() -> list[int]:
        def slow(reader: Reader) -> int:
            assert go_on.wait(10)
            return reader.commit()

        asked = [asyncio.ensure_future(counted.results.ask(at, slow)) for at in range(2)]
        await asyncio.sleep(0)
        status, _, message = await refusal(counted.results.ask(2, slow))
        assert (status, "wait" in message) == (503, True)
        go_on.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(many()) == [1, 1]


def test_of_one_commit_so_many_answers_are_kept(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.write(1)
    monkeypatch.setattr(module, "ANSWERS_MAX", 2)
    for key in ("a", "b", "c", "c", "a"):
        asyncio.run(counted.results.ask(key, counted.commits))
    assert counted.asked == 4, "a was the oldest when c came"


def test_a_question_that_fails_is_asked_again(counted: Counted) -> None:
    counted.write(1)

    def wrong(reader: Reader) -> int:
        return reader.query("from nothing").num_rows

    for _ in range(2):
        status, *_ = asyncio.run(refusal(counted.results.ask("wrong", wrong)))
        assert status == 503
    assert asyncio.run(counted.ask()) == 1
