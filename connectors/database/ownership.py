"""Ownership of a result file: a continuous run resumes only the file that carries its state id.

DuckDB's lock on the file keeps out a second writer.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from connectors.database import schema
from connectors.database.file import DatabaseError, holder_of, prepare, wal_of
from connectors.database.schema import SCHEMA_VERSION
from connectors.durable import UNFINISHED, sync_folder

MEMORY_MAX: Final = "1GB"
"""Limit on the blocks that DuckDB keeps in memory. Its default is most of the machine's memory,
which a growing file would fill; a commit needs a tenth of this limit."""

HELD_SECONDS: Final = 10.0
"""How long to wait for another process to release the file: longer than most queries take."""

_ANOTHER: Final = "name another file, or the state directory that it belongs to"


def open_live(path: Path, state_id: str) -> duckdb.DuckDBPyConnection:
    """Open the result file of a continuous run for writing; create it if it does not exist.

    Raises DatabaseError when another process holds it, or when it belongs to another run.
    """
    if not path.exists():
        _create(path, state_id)
    connection = _connect(path, read_only=False)
    try:
        connection.execute(f"set memory_limit = '{MEMORY_MAX}'")
        prepare(connection)
        with writing(path):
            _own(connection, path, state_id)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path, state_id: str) -> None:
    """Create the file under another name, and rename it when it is complete.

    This version of DuckDB does not recover tables from the write-ahead log reliably: a crash before
    the checkpoint would leave a file that cannot be opened.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    with writing(path):
        _remove(unfinished)
        try:
            with closing(_connect(unfinished, read_only=False)) as connection:
                prepare(connection)
                _own(connection, unfinished, state_id)
        except BaseException:
            _remove(unfinished)
            raise
        wal_of(path).unlink(missing_ok=True)  # of a deleted file; must not be applied
        unfinished.replace(path)
        sync_folder(path.parent)


def _remove(path: Path) -> None:
    for file in (path, wal_of(path)):
        file.unlink(missing_ok=True)


def _own(connection: duckdb.DuckDBPyConnection, path: Path, state_id: str) -> None:
    if _is_empty(connection):
        schema.create(connection, state_id=state_id)
        connection.execute("checkpoint")
    else:
        _check(connection, path, state_id)


def check_place(path: Path) -> None:
    """Check that a result file can be created or written at a path; raises DatabaseError."""
    folder = path.absolute().parent
    # Not Path.is_dir, which raises if this user lacks permission.
    if not os.path.isdir(folder):  # noqa: PTH112
        msg = f"{folder}, where {path.name} is to be, is no folder; make it, or name another --db"
        raise DatabaseError(msg)
    if os.path.isdir(path):  # noqa: PTH112
        msg = f"{path} is a folder; name a file that is to be the result"
        raise DatabaseError(msg)
    needs = {folder: os.W_OK | os.X_OK, path: os.W_OK}
    for place, need in needs.items():
        if os.path.exists(place) and not os.access(place, need):  # noqa: PTH110
            msg = f"{place} cannot be written; let the user of this process write there"
            raise DatabaseError(msg)


def database_seq(path: Path, state_id: str) -> int | None:
    """Return the last commit of a run's result file, 0 before the first; None without a file.

    Raises DatabaseError as `open_live` does; nothing is written.
    """
    if not path.exists():
        return None
    with closing(_connect(path, read_only=True)) as connection:
        if _is_empty(connection):
            return None
        _check(connection, path, state_id)
        return last_seq(connection)


def last_seq(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the latest commit, 0 before the first."""
    ((seq,),) = connection.execute("select coalesce(max(seq), 0) from commits").fetchall()
    return int(seq)


class OutOfMemoryError(DatabaseError):
    """The database of this process cannot go on, but its file can: a restart helps."""

    exit_code = 1


_NO_MEMORY: Final = re.compile(
    "out of memory|could not allocate|failed to allocate|allocation|has been invalidated",
    re.IGNORECASE,
)
"""Errors for want of memory. A database is invalidated by an error in a query, too."""

START_AGAIN: Final = "what is committed is safe: mend that and start again"


@contextmanager
def writing(path: Path, advice: str = START_AGAIN) -> Iterator[None]:
    """Turn errors of the system into DatabaseError: a full disk, a damaged file, no memory."""
    try:
        yield
    except (
        duckdb.OperationalError,
        duckdb.FatalException,
        duckdb.InternalException,
        OSError,
    ) as error:
        msg = f"{path} cannot be written: {_first_line(error)}; {advice}"
        is_memory = _NO_MEMORY.search(_first_line(error)) is not None
        raise (OutOfMemoryError if is_memory else DatabaseError)(msg) from error


def _connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    until = time.monotonic() + HELD_SECONDS
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            holder = holder_of(error)
            if holder and not read_only and time.monotonic() < until:
                time.sleep(0.1)
                continue
            raise _unopened(path, error, holder) from error


def _unopened(path: Path, error: duckdb.Error, holder: str | None) -> DatabaseError:
    return DatabaseError(
        f"{path} is held open by {holder}; stop that, or name another file"
        if holder
        else f"{path} cannot be opened: {_first_line(error)}"
    )


def _is_empty(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the file has no tables, as after an interrupted creation."""
    ((tables,),) = connection.execute("select count(*) from duckdb_tables()").fetchall()
    return tables == 0


def _check(connection: duckdb.DuckDBPyConnection, path: Path, state_id: str) -> None:
    """Raise DatabaseError for a file that this run must not resume."""
    try:
        found = connection.execute("select schema_version, state_id from database_info").fetchall()
    except duckdb.CatalogException:
        found = []
    if len(found) != 1:
        msg = f"{path} is not a result of this version of tributary; name another file"
        raise DatabaseError(msg)
    ((version, owner),) = found
    if version != SCHEMA_VERSION:
        msg = _other_version(path, version)
    elif owner is None:
        msg = f"{path} is the result of a replay, which nothing can be added to; name another file"
    elif owner != state_id:
        msg = f"{path} belongs to the state {owner}, this run's is {state_id}; {_ANOTHER}"
    else:
        return
    raise DatabaseError(msg)


def _other_version(path: Path, version: int) -> str:
    of, way = (
        ("a newer", "install it") if version > SCHEMA_VERSION else ("an older", "go on with it")
    )
    return (
        f"{path} has tables of version {version}, this program's are {SCHEMA_VERSION}: "
        f"it was made by {of} version; {way}, or name another file"
    )


def memory_of(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the bytes of memory that DuckDB uses."""
    ((taken,),) = connection.execute(
        "select sum(memory_usage_bytes)::bigint from duckdb_memory()"
    ).fetchall()
    return int(taken)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
