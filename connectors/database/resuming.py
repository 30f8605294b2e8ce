"""Resumes a result file where the state of its run goes on, and records the start."""

from pathlib import Path
from typing import Final

import duckdb

from connectors.database.file import DatabaseError
from connectors.database.ownership import last_seq
from connectors.database.runs import Start, record_run
from connectors.database.schema import TABLES, WITHOUT_SEQ
from connectors.registry.table import record_sources

RESUME_BEHIND_MAX: Final = 1
"""Commits that the file may be ahead of the state: the engine begins no epoch before the last one
is stored. A state further behind is an old copy, and compaction may have merged rows that it would
write again."""


def take_back(connection: duckdb.DuckDBPyConnection, path: Path, resumed: int) -> None:
    """Delete the rows of the commit that the state lacks; raises DatabaseError."""
    last = last_seq(connection)
    if last < resumed or last > resumed + RESUME_BEHIND_MAX:
        msg = (
            f"{path} ends with commit {last}, the state with {resumed}: one of them is an old "
            "copy; bring back two that belong together, or begin with a new file and a new state"
        )
        raise DatabaseError(msg)
    if last > resumed:
        connection.begin()
        for table in TABLES:
            if table not in WITHOUT_SEQ:
                connection.execute(f"delete from {table} where seq > ?", [resumed])
        connection.commit()


def record_start(connection: duckdb.DuckDBPyConnection, start: Start) -> None:
    """Record a start of the run, and the event sources as it knows them."""
    connection.begin()
    record_run(
        connection,
        run_id=start.run_id,
        policy=start.policy,
        inputs={"mode": "run", "state_id": start.state_id, **start.inputs},
        key_groups=start.key_groups,
    )
    connection.execute("delete from event_sources")
    record_sources(connection, start.registry)
    connection.commit()
