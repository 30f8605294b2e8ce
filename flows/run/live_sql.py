"""Live SQL of a continuous run, as the settings want it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb
import structlog

from connectors.database.held_file import HeldFile
from connectors.database.readers import NO_READERS, Readers
from connectors.sql.announcement import announcement_of
from connectors.sql.live import LiveSql, answering
from connectors.sql.queries import Limits
from connectors.sql.server import LOOPBACK, check_port
from flows.settings.live_sql import LiveSqlSettings

LOG: Final = structlog.get_logger("tributary")


def check_live_sql(settings: LiveSqlSettings) -> None:
    """Check that the ports are free; raises ServerError."""
    for port in {settings.port, settings.quack_port} - {0}:
        if settings.enabled:
            check_port(port)


@contextmanager
def live_sql(
    settings: LiveSqlSettings, connection: duckdb.DuckDBPyConnection, file: HeldFile
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
    live = LiveSql(
        database=file.path,
        limits=limits,
        port=settings.port,
        is_quack=settings.quack,
        quack_port=settings.quack_port,
    )
    with answering(live, connection, file) as answers:
        url = f"http://{LOOPBACK}:{answers.announced.port}/sql"
        quack = answers.announced.quack_port
        attach = {} if quack is None else {"attach": f"quack:{LOOPBACK}:{quack}"}
        LOG.info("answers SQL", url=url, **attach, token_in=str(announcement_of(file.path)))
        yield answers.queries
