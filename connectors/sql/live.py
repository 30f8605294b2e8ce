"""Live SQL of a running job: its servers, and the file that leads to them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from connectors.database.held_file import HeldFile
from connectors.database.ownership import writing
from connectors.sql.announcement import Announcement, new_token
from connectors.sql.hardening import harden, lock
from connectors.sql.quack import load_quack, quack_served
from connectors.sql.queries import Limits, Queries
from connectors.sql.server import served


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSql:
    """How a job answers questions; port 0 is any free one.

    With `is_quack` other DuckDB clients are answered, too, where the extension is installed.
    """

    database: Path
    limits: Limits
    port: int = 0
    is_quack: bool = True
    quack_port: int = 0


@dataclass(frozen=True, slots=True)
class Answering:
    """A job that answers: where, and the queries that it runs."""

    announced: Announcement
    queries: Queries


@contextmanager
def answering(
    live: LiveSql, connection: duckdb.DuckDBPyConnection, file: HeldFile
) -> Iterator[Answering]:
    """Answer questions to the database of a connection, and send its file, while the block runs.

    The database is hardened, which lasts as long as it is open. Raises ServerError if the port is
    taken, and DatabaseError if the file cannot be written.
    """
    token = new_token()
    with ExitStack() as closing:
        with writing(live.database):
            has_quack = live.is_quack and load_quack(connection)
            harden(connection, live.database, live.limits.memory)
        queries = closing.enter_context(Queries(connection, live.limits))
        port = closing.enter_context(served(queries, file, token, live.port))
        quack = quack_served(connection, token, live.quack_port)
        quack_port = closing.enter_context(quack) if has_quack else None
        # A folder that is gone is reported by the writer, at its next commit.
        with writing(live.database), suppress(FileNotFoundError):
            lock(connection)
            announced = Announcement.of(
                live.database, port=port, token=token, quack_port=quack_port
            )
            announced.write(live.database)
        closing.callback(announced.remove, live.database)
        yield Answering(announced, queries)
