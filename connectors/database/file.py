"""Creates and sets up a result file, and explains why one cannot be opened."""

import re
from pathlib import Path
from typing import Final

import duckdb

from connectors.database import schema
from connectors.errors import OperatorError

CHECKPOINT_THRESHOLD: Final = "1GB"
"""Size of the write-ahead log. The default of 16 MB costs three times the CPU, and pauses of a
second."""

COSTLY_COMPRESSION: Final = "fsst,dict_fsst"
"""These take half of the time of a checkpoint; without them a file is a fifth larger."""


class DatabaseError(OperatorError):
    """The result file cannot be used; the message says why and what to do."""


def create_database(path: Path, *, overwrite: bool) -> duckdb.DuckDBPyConnection:
    """Create a result file with all tables and views.

    Raises DatabaseError when the file exists, or when it cannot be written.
    """
    if path.exists() and not overwrite:
        msg = f"{path} exists already; name another file, or add --overwrite to replace it"
        raise DatabaseError(msg)
    try:
        for old in (path, wal_of(path)):
            old.unlink(missing_ok=True)
        connection = duckdb.connect(str(path))
        prepare(connection)
        schema.create(connection)
    except (OSError, duckdb.OperationalError, duckdb.FatalException) as error:
        msg = f"{path} cannot be written: {str(error).splitlines()[0]}"
        raise DatabaseError(msg) from error
    return connection


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Set the options of a database for writing, and the time zone of all its cursors."""
    connection.execute("set global timezone = 'UTC'; set threads = 1")
    connection.execute(f"set checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'")
    connection.execute(f"set disabled_compression_methods = '{COSTLY_COMPRESSION}'")


_LOCKED: Final = "Could not set lock on file"

_HOLDER: Final = re.compile(r"\(PID (\d+)\)")


def holder_of(error: duckdb.Error) -> str | None:
    """Return the process that holds the lock of a file; None if the error is not about a lock."""
    message = str(error)
    if _LOCKED not in message:
        return None
    found = _HOLDER.search(message)
    return f"process {found[1]}" if found else "another process"


def absence(database: Path) -> str:
    """Return the message for a result file that does not exist."""
    return f"there is no result file {database}; make it with: tributary replay PATH --db FILE"


def refusal(database: Path, error: duckdb.Error) -> str:
    """Return the message for an existing file that DuckDB cannot open."""
    holder = holder_of(error)
    if holder:
        return (
            f"{database} is being written by {holder}; ask again when it has ended "
            "(a job ends on SIGTERM, and loses nothing)"
        )
    return f"{database} cannot be read as a result file: {str(error).splitlines()[0]}"


def wal_of(path: Path) -> Path:
    """Return the path of DuckDB's write-ahead log."""
    return path.with_name(path.name + ".wal")
