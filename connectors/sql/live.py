"""Live SQL of a running job: its server, and the file that leads to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from connectors.database.ownership import writing
from connectors.sql.announcement import Announcement, new_token
from connectors.sql.hardening import harden
from connectors.sql.queries import Limits, Queries
from connectors.sql.server import served


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSql:
    """How a job answers questions; port 0 is any free one."""

    database: Path
    port: int = 0
    limits: Limits


@dataclass(frozen=True, slots=True)
class Answering:
    """A job that answers: where, and the queries that it runs."""

    announced: Announcement
    queries: Queries


@contextmanager
def answering(live: LiveSql, connection: duckdb.DuckDBPyConnection) -> Iterator[Answering]:
    """Answer questions to the database of a connection while the block runs.

    The database is hardened, which lasts as long as it is open. Raises ServerError if the port is
    taken, and DatabaseError if the file cannot be written.
    """
    token = new_token()
    with writing(live.database):
        harden(connection, live.database, live.limits.memory)
    with Queries(connection, live.limits) as queries, served(queries, token, live.port) as port:
        with writing(live.database):
            announced = Announcement.of(live.database, port=port, token=token)
            announced.write(live.database)
        try:
            yield Answering(announced, queries)
        finally:
            announced.remove(live.database)
