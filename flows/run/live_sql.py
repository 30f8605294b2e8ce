"""Live SQL of a continuous run, as the settings want it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import structlog

from connectors.database.readers import NO_READERS, Readers
from connectors.sql.live import LiveSql, answering
from connectors.sql.queries import Limits
from connectors.sql.server import LOOPBACK, check_port
from flows.settings.live_sql import LiveSqlSettings

LOG: Final = structlog.get_logger("tributary")


def check_live_sql(settings: LiveSqlSettings) -> None:
    """Check that the port is free; raises ServerError."""
    if settings.enabled and settings.port:
        check_port(settings.port)


@contextmanager
def live_sql(
    settings: LiveSqlSettings, database: Path, connection: duckdb.DuckDBPyConnection
) -> Iterator[Readers]:
    """Answer questions in SQL while the block runs, if the settings want it."""
    if not settings.enabled:
        yield NO_READERS
        return
    limits = Limits(
        memory=settings.memory_limit,
        timeout_s=settings.timeout / 1e6,
        rows_max=settings.rows_max,
        queries_at_once=settings.queries_at_once,
    )
    live = LiveSql(database=database, port=settings.port, limits=limits)
    with answering(live, connection) as answers:
        url = f"http://{LOOPBACK}:{answers.announced.port}/sql"
        LOG.info("answers SQL", url=url, result=str(database))
        yield answers.queries
