"""The result file of a replay: written under another name, and renamed when it is complete.

It replaces only another result of a replay. Any other file at its path (the result of a continuous
run, a file that a process is writing, a file of the log, any foreign file) is in use, or a replay
could not restore it.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from connectors.database.file import DatabaseError, create_database, holder_of, wal_of
from connectors.database.ownership import check_place, writing

UNFINISHED: Final = ".unfinished"
"""Suffix of a result file until it is complete."""

REPLAY_AGAIN: Final = "make room or mend that, and replay again; no result was made"


@contextmanager
def result_file(
    path: Path, *, overwrite: bool, log: Iterable[Path]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a new result file, which is renamed to `path`, replacing an old one, when complete.

    `log` are the files that are read. Raises DatabaseError if the file at `path` must not be
    replaced.
    """
    log = tuple(log)
    check_place(path)
    _check_old(path, overwrite=overwrite, log=log)
    unfinished = path.with_name(path.name + UNFINISHED)
    _check_unfinished(unfinished)
    try:
        with create_database(unfinished, overwrite=True) as connection:
            yield connection
            with writing(path, REPLAY_AGAIN):
                connection.execute("checkpoint")
        # Checked again, because the old file may have changed meanwhile.
        _check_old(path, overwrite=overwrite, log=log)
        wal_of(path).unlink(missing_ok=True)  # of the old file; must not be applied to the new one
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
        wal_of(unfinished).unlink(missing_ok=True)


def _check_old(path: Path, *, overwrite: bool, log: Iterable[Path]) -> None:
    """Raise DatabaseError unless the old file is a replay's result and `overwrite` is set."""
    if not path.exists():
        return
    if any(path.samefile(file) for file in log if file.exists()):
        msg = f"{path} is a file of the log that is to be replayed; name another --db"
    elif not path.is_file():
        msg = f"{path} is no regular file; name a file that is to be the result"
    elif not overwrite:
        msg = f"{path} exists already; name another file, or add --overwrite to replace it"
    elif reason := _unlike_a_replay(path):
        msg = f"{path} {reason}, and --overwrite replaces only results of a replay; {_WAY_OUT}"
    else:
        return
    raise DatabaseError(msg)


_WAY_OUT: Final = "name another --db, or move that file away"


def _unlike_a_replay(path: Path) -> str | None:
    """Return what a file is; None if it is the complete result of a replay."""
    try:
        with closing(duckdb.connect(str(path), read_only=True)) as connection:
            owners = connection.execute("select state_id from database_info").fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return "is a DuckDB file without the tables of a result"
    except duckdb.Error as error:
        holder = holder_of(error)
        return f"is being written by {holder}" if holder else "is not a result file"
    if len(owners) != 1:
        return "is not a complete result file"
    ((owner,),) = owners
    return None if owner is None else f"is the result of a continuous run (state {owner})"


def _check_unfinished(unfinished: Path) -> None:
    """Raise DatabaseError if another replay is writing the file; a crash's leftover is fine."""
    if not unfinished.is_file():
        return
    try:
        duckdb.connect(str(unfinished), read_only=True).close()
    except duckdb.Error as error:
        if holder := holder_of(error):
            msg = f"{unfinished} is being written by {holder}, another replay; wait until it ends"
            raise DatabaseError(msg) from error
