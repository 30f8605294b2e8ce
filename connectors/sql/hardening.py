"""Closes the database of a job to everything but its own file, before anybody may ask.

What is set here cannot be undone while the process runs. The file, its log and the folder of
temporary files beside it stay open to DuckDB; no statement can name another file.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

TEMPORARY: Final = ".tmp"
"""Suffix of the folder in which DuckDB sorts and joins what does not fit into memory."""

TEMPORARY_LIMITS: Final = 2
"""Size of that folder in memory limits."""

DISK_SHARE: Final = 4
"""No more than a quarter of the free disk: the job needs it."""


def harden(connection: duckdb.DuckDBPyConnection, database: Path, memory_limit: int) -> None:
    """Limit memory and temporary files (bytes), and close the database to all other files."""
    temporary = database.with_name(database.name + TEMPORARY)
    with suppress(OSError):
        shutil.rmtree(temporary)  # of a killed job; the file's lock is ours
    room = memory_limit * TEMPORARY_LIMITS
    with suppress(FileNotFoundError):  # the writer reports it, at its next commit
        room = min(room, shutil.disk_usage(database.parent).free // DISK_SHARE)
    for setting in (
        f"memory_limit = '{memory_limit}B'",
        f"max_temp_directory_size = '{room}B'",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "enable_external_access = false",
    ):
        connection.execute(f"set global {setting}")


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Lock the configuration, last of all."""
    connection.execute("set global lock_configuration = true")
