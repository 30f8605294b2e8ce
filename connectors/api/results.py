"""Questions to the result on behalf of callers: few at once, in time, and once per commit.

The result may not exist yet, or its job may be away: then callers are asked to come again. Nothing
stays open between two questions, because a file that is being read keeps its job from starting.
"""

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

import structlog

from attribution.ingest.problems import CallProblem, unavailable
from connectors.api.guard import ProblemError
from connectors.database.file import wal_of
from connectors.sql.announcement import announcement_of, find_job
from connectors.sql.errors import QueryError
from connectors.sql.reader import FileReader, Reader, open_reader

LOG: Final = structlog.get_logger("tributary")

ASKED_AT_ONCE: Final = 4
"""Questions that are being answered; others wait."""

WAITING_MAX: Final = 64
"""Different questions that wait or are being answered; beyond it callers come again later."""

ANSWER_SECONDS: Final = 10.0
"""How long a caller waits for an answer, waiting for others included."""

ANSWERS_MAX: Final = 64
"""Answers that are kept for one commit, each of some MB at most."""

RETRY_SECONDS: Final = 2
"""After which a caller may come again: a job that was killed is back by then."""

NO_RESULT: Final = unavailable(
    "this API reads no result; its operator names one with --db", retry_after_seconds=60
)
NOT_YET: Final = unavailable("there is no result yet; the job has not made it", RETRY_SECONDS)
_AWAY: Final = unavailable("the result cannot be read now; its job may be starting", RETRY_SECONDS)
_BUSY: Final = unavailable("too many questions to the result wait; ask again", RETRY_SECONDS)
SLOW: Final = unavailable("the result did not answer in time; ask again", RETRY_SECONDS)

Answer = TypeVar("Answer")

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(slots=True)
class _Kept:
    """Answers that hold for one state of the result."""

    state: tuple[int, Stamp] | None = None
    answers: dict[Hashable, Any] = field(default_factory=dict)
    is_at_rest: bool = False


class Results:
    """A result as callers may ask it; used by one event loop."""

    def __init__(self, database: Path, open_result: Callable[[Path], Reader] = open_reader) -> None:
        """Take a path, where there may be no file yet."""
        self.database, self._open = database, open_result
        self._pool = ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="result")
        self._asked: dict[Hashable, asyncio.Future[Any]] = {}
        self._kept, self._keeping = _Kept(), Lock()
        self._reason = ""

    async def ask(self, key: Hashable, question: Callable[[Reader], Answer]) -> Answer:
        """Return the answer to a question, asked at most once per commit.

        Equal keys are equal questions; those who ask while one is being answered share its answer,
        and nobody may change it.
        Raises ProblemError where it cannot be answered now.
        """
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= WAITING_MAX:
                raise ProblemError(_BUSY)
            loop = asyncio.get_running_loop()
            asked = loop.run_in_executor(self._pool, self._answer, key, question)
            self._asked[key] = asked
            asked.add_done_callback(lambda done: self._forget(key, done))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.shield(asked)
        except TimeoutError:
            raise ProblemError(SLOW) from None
        except QueryError as error:
            raise ProblemError(self._problem(error)) from error

    @property
    def has_job(self) -> bool:
        """Whether a job writes the result now."""
        return find_job(self.database) is not None

    def close(self) -> None:
        """End; what is being answered is waited for."""
        self._pool.shutdown(cancel_futures=True)

    def _forget(self, key: Hashable, done: "asyncio.Future[Any]") -> None:
        del self._asked[key]
        if not done.cancelled():
            done.exception()  # everybody who asked may have given up

    def _problem(self, error: QueryError) -> CallProblem:
        """Return what callers are told; the log has the reason, once while it stays the same."""
        if not self.database.exists():
            return NOT_YET
        if str(error) != self._reason:
            self._reason = str(error)
            LOG.warning("the result cannot be read", reason=self._reason)
        return _AWAY

    def _answer(self, key: Hashable, question: Callable[[Reader], Answer]) -> Answer:
        with self._keeping:
            if self._kept.is_at_rest and self._kept.state is not None:
                _, stamp = self._kept.state
                if stamp == self._stamp() and key in self._kept.answers:
                    return self._kept.answers[key]
        reader = self._open(self.database)
        try:
            return self._asked_of(reader, key, question)
        finally:
            reader.close()

    def _asked_of(
        self, reader: Reader, key: Hashable, question: Callable[[Reader], Answer]
    ) -> Answer:
        # An open file is written by nobody, so that its stamp is that of the commit. A job that
        # was killed writes its last commit again, perhaps otherwise.
        is_at_rest = isinstance(reader, FileReader)
        state = reader.commit(), self._stamp() if is_at_rest else self._job()
        with self._keeping:
            if state != self._kept.state:
                self._kept = _Kept(state)
            self._kept.is_at_rest = is_at_rest
            if key in self._kept.answers:
                return self._kept.answers[key]
        answer = question(reader)
        with self._keeping:
            if state == self._kept.state:
                if len(self._kept.answers) >= ANSWERS_MAX:
                    self._kept.answers.pop(next(iter(self._kept.answers)))
                self._kept.answers[key] = answer
        return answer

    def _stamp(self) -> Stamp:
        """Return what changes whenever somebody writes to the file."""
        return tuple(_stamp_of(path) for path in (self.database, wal_of(self.database)))

    def _job(self) -> Stamp:
        """Return what tells the file, and the job that writes it, from others of that name."""
        found = _stamp_of(self.database)
        file = None if found is None else (found[0], 0, 0)
        return file, _stamp_of(announcement_of(self.database))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
