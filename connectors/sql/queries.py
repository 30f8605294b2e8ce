"""Answers questions on the database of a running job, beside its writer.

Each question has a cursor and a read-only transaction of its own, so it sees exactly one commit. A
watching thread interrupts it at its time limit, when whoever asked is gone, or when the memory that
the job needs runs short. DuckDB runs outside of Python's interpreter lock, so the job commits on
meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Self

import duckdb

from connectors import metrics
from connectors.sql.errors import Parameter, QueryError
from connectors.sql.memory import DatabaseMemory, ProcessMemory, resident
from connectors.sql.running import (
    TOO_MUCH,
    BusyError,
    EndingError,
    Running,
    TooMuchMemoryError,
)
from connectors.sql.statements import check_harmless

WATCH_SECONDS: Final = 0.05
"""Time between two looks at the running queries; DuckDB reacts to an interrupt within as much."""

SPARED_SECONDS: Final = 0.2
"""Age of a query below which it is not taken for one that takes too much memory."""

END_SECONDS: Final = 5.0
"""How long to wait for queries that were interrupted; they end with the chunk they are at."""

_ENDING: Final = "the job is ending; ask again later"

_COMMIT: Final = "select coalesce(max(seq), $seen) from commits where seq >= $seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What questions may use; `rows_max` is for answers that ask for no other number.

    `memory` is the memory limit of the database in bytes, which includes the writer. A question
    waits up to `turn_s` for its turn while others run; then it is refused.
    """

    memory: int = 2 << 30
    timeout_s: float = 30.0
    rows_max: int = 10_000
    queries_at_once: int = 4
    turn_s: float = 5.0


class Queries:
    """The questions to one database; a bounded number runs at once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        """Answer from the database of a connection, which others may go on using."""
        self.limits = limits
        self._connection = connection
        self._turns = threading.BoundedSemaphore(limits.queries_at_once)
        self._running: set[Running] = set()
        self._changed = threading.Condition()
        self._is_closing = False
        self._seen = 0
        self._process = ProcessMemory(limits.memory)
        self._writers_memory = DatabaseMemory(connection, limits.memory)
        self._watched_memory = DatabaseMemory(connection, limits.memory)
        metrics.SQL_QUERIES.labels("answered")  # 0, not absent
        self._watcher = threading.Thread(target=self._watch, name="live sql watch", daemon=True)
        self._watcher.start()

    @contextmanager
    def asked(
        self,
        sql: str,
        parameters: Sequence[Parameter] = (),
        *,
        timeout_s: float | None = None,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> Iterator[Running]:
        """Run a statement that reads; its rows are fetched from the cursor within the block.

        Raises QueryError, also from what is done within the block.
        """
        check_harmless(sql)
        if not self._turns.acquire(timeout=self.limits.turn_s):
            msg = f"{self.limits.queries_at_once} queries are running already; ask again later"
            raise BusyError(msg)
        try:
            with self._cursor(timeout_s or self.limits.timeout_s, is_gone) as running:
                yield from self._answer(running, sql, parameters)
        finally:
            self._turns.release()

    def _answer(
        self, running: Running, sql: str, parameters: Sequence[Parameter]
    ) -> Iterator[Running]:
        cursor = running.cursor
        try:
            cursor.execute("begin transaction read only")
            [(running.commit,)] = cursor.execute(_COMMIT, {"seen": self._seen}).fetchall()
            self._seen = max(self._seen, running.commit)
            running.check()
            cursor.execute(sql, list(parameters))
            yield running
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            raise running.stopped or TooMuchMemoryError(TOO_MUCH) from error
        except duckdb.Error as error:
            raise running.stopped or QueryError(str(error)) from error

    @contextmanager
    def _cursor(self, timeout_s: float, is_gone: Callable[[], bool]) -> Iterator[Running]:
        with self._changed:
            if self._is_closing:
                raise EndingError(_ENDING)
            running = Running(self._connection.cursor(), timeout_s, is_gone)
            self._running.add(running)
            self._limit_process()
            self._changed.notify_all()
        try:
            yield running
        finally:
            # Out of the watcher's sight first: it must not interrupt a closed cursor.
            with self._changed:
                self._running.remove(running)
                self._limit_process()
                self._changed.notify_all()
            running.cursor.close()  # which rolls the transaction back

    def _limit_process(self) -> None:
        """Set the limit of the process by when the oldest query began; the caller has the lock."""
        if self._running:
            self._process.hold(min(running.private for running in self._running))
        else:
            self._process.release()

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running or self._is_closing)
                if self._is_closing and not self._running:
                    return
                for running in self._running:
                    running.look()
                self._limit_process()
                if self._takes_too_much():
                    for running in self._running:
                        if running.age_s > SPARED_SECONDS:
                            running.stop(TooMuchMemoryError(TOO_MUCH))
            time.sleep(WATCH_SECONDS)

    def _takes_too_much(self) -> bool:
        grown = resident() - min((each.resident for each in self._running), default=resident())
        return grown > self._process.growth_max // 2 or self._watched_memory.is_short()

    def make_room(self) -> None:
        """End queries that take so much memory that a commit may find none."""
        if self._running and self._writers_memory.is_short():
            self.end_all()

    def end_all(self) -> None:
        """End all queries, and return once they have ended; further ones may begin then."""
        self._end(TooMuchMemoryError(TOO_MUCH))

    def _end(self, reason: QueryError) -> None:
        with self._changed:
            ending = set(self._running)
            for running in ending:
                running.stop(reason)
            self._changed.wait_for(lambda: not ending & self._running, END_SECONDS)

    def close(self) -> None:
        """End all queries, and refuse further ones; the connection can be closed then."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._end(EndingError(_ENDING))
        self._watcher.join(END_SECONDS)
        for memory in (self._writers_memory, self._watched_memory):
            with suppress(duckdb.Error):
                memory.close()

    def __enter__(self) -> Self:
        """Answer until the block ends."""
        return self

    def __exit__(self, *_exit: object) -> None:
        """Close."""
        self.close()
