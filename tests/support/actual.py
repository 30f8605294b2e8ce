"""Runs the flow over a folder and reads back its tables, shaped as the oracle's.

The tests' own database lives in memory and is emptied between runs: making the schema costs more
than a small replay.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
from bytewax.run import cli_main

from attribution.columnar.frames import END
from attribution.policy import Policy
from connectors.database import schema
from connectors.database.replay_sink import DatabaseSink
from connectors.files.folder import find_files
from connectors.files.replay import FileSource
from connectors.registry.file import load_registry
from flows.dataflow.flow import Io, build_flow

Tables: TypeAlias = dict[str, list[dict[str, Any]]]

_QUERIES: Final = {
    "conversions": "select * exclude (seq) from conversions_final",
    "credits": "select * exclude (seq) from credits_final",
    "duplicates": "select * exclude (seq) from duplicates",
    "rejections": "select * exclude (seq) from rejections",
    "test_events": "select * exclude (seq) from test_events",
    "match_stats": "from match_stats",
    "touchpoint_stats": "from touchpoint_stats",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a replay is cut into pieces; none of it may show in a result."""

    workers: int = 1
    key_groups: int = 4
    chunk_bytes: int = 1_000_000
    watermark_interval: int = 0
    threads: int = 0


class Flow:
    """The flow over a database in memory, which holds one run at a time."""

    def __init__(self) -> None:
        """Create the tables."""
        self.connection = duckdb.connect()
        self.connection.execute("set timezone = 'UTC'; set threads = 1")
        schema.create(self.connection)

    def tables(
        self,
        folder: Path,
        policy: Policy | None = None,
        *,
        shape: Shape | None = None,
        allow_unregistered: bool = False,
        read_at: int = END,
    ) -> Tables:
        """Replay a folder and give all tables."""
        policy, shape = policy or Policy(), shape or Shape()
        for name in schema.TABLES:
            self.connection.execute(f"truncate {name}")
        source = FileSource(
            tuple(find_files(folder)),
            shape.workers,
            policy,
            load_registry(folder, allow_unregistered=allow_unregistered),
            chunk_bytes=shape.chunk_bytes,
            read_at=read_at,
            threads=shape.threads,
        )
        io = Io(
            source,
            DatabaseSink(self.connection, Path()),
            lanes=shape.workers,
            key_groups=shape.key_groups,
            watermark_interval=shape.watermark_interval,
        )
        cli_main(build_flow(io, policy), workers_per_process=shape.workers)  # type: ignore[no-untyped-call]
        return read_tables(self.connection)


def read_tables(connection: duckdb.DuckDBPyConnection) -> Tables:
    """Read every table of a run, without the numbers of its commits."""
    tables: Tables = {}
    for name, sql in _QUERIES.items():
        cursor = connection.execute(sql)
        columns = [column[0] for column in cursor.description or ()]
        tables[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return tables


def read_result(database: Path) -> Tables:
    """Read every table of a result file."""
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return read_tables(connection)
