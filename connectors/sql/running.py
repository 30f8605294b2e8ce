"""A query that runs in a job, and the reasons for which it is ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import duckdb

from connectors.sql.errors import QueryError
from connectors.sql.memory import private, resident

TIMEOUT_SECONDS_MAX: Final = 600.0
"""The longest time limit that a question may ask for."""


class BusyError(QueryError):
    """Too many questions at once; ask again later."""


class EndingError(QueryError):
    """The job is ending; ask again later, or its file."""


class GoneError(QueryError):
    """Whoever asked has gone."""


class OutOfTimeError(QueryError):
    """A query ran into its time limit."""


class TooMuchMemoryError(QueryError):
    """A query, or those that ran beside it, took more memory than the job can spare."""


TOO_MUCH: Final = (
    "the queries that ran took more memory than the job can spare, and were ended; ask for less, "
    "or query a published copy"
)


@dataclass(slots=True, eq=False)
class Running:
    """A query that runs; `stopped` says why it is to end.

    `commit` is the last one that it sees.
    """

    cursor: duckdb.DuckDBPyConnection
    timeout_s: float
    is_gone: Callable[[], bool]
    commit: int = 0
    stopped: QueryError | None = None
    resident: int = field(default_factory=resident, init=False)
    private: int = field(default_factory=private, init=False)
    _begun: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self.timeout_s = min(self.timeout_s, TIMEOUT_SECONDS_MAX)
        self._begun = time.monotonic()

    @property
    def age_s(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._begun

    def look(self) -> None:
        """Interrupt the query if it is to end: again and again, as it may not have begun."""
        if self.stopped is None and self.age_s > self.timeout_s:
            msg = f"the query took longer than {self.timeout_s:g} s and was ended"
            self.stopped = OutOfTimeError(msg)
        if self.stopped is None and self.is_gone():
            self.stopped = GoneError("whoever asked has gone")
        if self.stopped is not None:
            self.cursor.interrupt()

    def stop(self, reason: QueryError) -> None:
        """Have the query end, unless it is to end already."""
        self.stopped = self.stopped or reason
        self.cursor.interrupt()

    def check(self) -> None:
        """Raise the reason if the query is to end."""
        if self.stopped is not None:
            raise self.stopped
