"""Answers questions on the database of a running job, beside its writer.

Each question has a cursor and a read-only transaction of its own, so it sees exactly one commit. It
ends at its time limit, or once whoever asked is gone: a watching thread interrupts it. DuckDB runs
outside of Python's interpreter lock, so the job commits on meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

import duckdb

from connectors import metrics
from connectors.sql.statements import Parameter, QueryError, check_reads

WATCH_SECONDS: Final = 0.05
"""Time between two looks at the running queries; DuckDB reacts to an interrupt within as much."""

CLOSE_SECONDS: Final = 5.0
"""How long the end of a job waits for queries that were interrupted."""

TIMEOUT_SECONDS_MAX: Final = 600.0
"""The longest time limit that a question may ask for."""

_ENDING: Final = "the job is ending; ask again later"

_COMMIT: Final = "select coalesce(max(seq), $seen) from commits where seq >= $seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What questions may use; `rows_max` is for answers that ask for no other number.

    A question waits up to `turn_s` for its turn while others run; then it is refused.
    """

    timeout_s: float = 30.0
    rows_max: int = 10_000
    queries_at_once: int = 4
    turn_s: float = 5.0


class BusyError(QueryError):
    """Too many questions at once; ask again later."""


class EndingError(QueryError):
    """The job is ending; ask again later, or its file."""


class OutOfTimeError(QueryError):
    """A query ran into its time limit."""


class GoneError(QueryError):
    """Whoever asked has gone."""


@dataclass(slots=True, eq=False)
class Running:
    """A query that runs; `stopped` says why it is to end."""

    cursor: duckdb.DuckDBPyConnection
    timeout_s: float
    is_gone: Callable[[], bool]
    commit: int = 0
    stopped: QueryError | None = None
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._until = time.monotonic() + self.timeout_s

    def look(self) -> None:
        """Interrupt the query if it is to end: again and again, as it may not have begun."""
        if self.stopped is None and time.monotonic() > self._until:
            msg = f"the query took longer than {self.timeout_s:g} s and was ended"
            self.stopped = OutOfTimeError(msg)
        if self.stopped is None and self.is_gone():
            self.stopped = GoneError("whoever asked has gone")
        if self.stopped is not None:
            self.cursor.interrupt()

    def check(self) -> None:
        """Raise the reason if the query is to end."""
        if self.stopped is not None:
            raise self.stopped


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
        metrics.SQL_QUERIES.labels("answered")  # 0, not absent
        threading.Thread(target=self._watch, name="live sql watch", daemon=True).start()

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
        if not self._turns.acquire(timeout=self.limits.turn_s):
            msg = f"{self.limits.queries_at_once} queries are running already; ask again later"
            raise BusyError(msg)
        try:
            with self._cursor(timeout_s, is_gone) as running:
                yield from self._answer(running, sql, parameters)
        finally:
            self._turns.release()

    def _answer(
        self, running: Running, sql: str, parameters: Sequence[Parameter]
    ) -> Iterator[Running]:
        cursor = running.cursor
        try:
            check_reads(cursor, sql)
            cursor.execute("begin transaction read only")
            [(running.commit,)] = cursor.execute(_COMMIT, {"seen": self._seen}).fetchall()
            self._seen = max(self._seen, running.commit)
            running.check()
            cursor.execute(sql, list(parameters))
            yield running
        except duckdb.InterruptException as error:
            raise running.stopped or QueryError(str(error)) from error
        except duckdb.Error as error:
            raise QueryError(str(error)) from error

    @contextmanager
    def _cursor(self, timeout_s: float | None, is_gone: Callable[[], bool]) -> Iterator[Running]:
        limit = min(timeout_s or self.limits.timeout_s, TIMEOUT_SECONDS_MAX)
        with self._changed:
            if self._is_closing:
                raise EndingError(_ENDING)
            running = Running(self._connection.cursor(), limit, is_gone)
            self._running.add(running)
            self._changed.notify_all()
        try:
            yield running
        finally:
            # Out of the watcher's sight first: it must not interrupt a closed cursor.
            with self._changed:
                self._running.remove(running)
                self._changed.notify_all()
            running.cursor.close()  # which rolls the transaction back

    def _watch(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running or self._is_closing)
                if self._is_closing and not self._running:
                    return
                for running in self._running:
                    running.look()
            time.sleep(WATCH_SECONDS)

    def close(self) -> None:
        """End all queries, and refuse further ones; the connection can be closed then."""
        with self._changed:
            self._is_closing = True
            for running in self._running:
                running.stopped = running.stopped or EndingError(_ENDING)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running, CLOSE_SECONDS)

    def __enter__(self) -> Self:
        """Answer until the block ends."""
        return self

    def __exit__(self, *_exit: object) -> None:
        """Close."""
        self.close()
