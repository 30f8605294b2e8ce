"""Saves a result file that was deleted or renamed during a run.

A renamed file only has to be moved back. A deleted file is still complete while the process has it
open: it is copied, with its write-ahead log, to the path where the next start looks for it.
"""

import os
import shutil
from itertools import count
from pathlib import Path
from typing import Final

import duckdb

from connectors.database.file import wal_of
from connectors.database.in_place import Handle, Identity, found_at, handles
from connectors.durable import sync_folder

SAVED: Final = ".saved"
"""Suffix of a copy whose name is taken."""

_COPY_BYTES: Final = 8 << 20
"""Bytes copied at once."""


def rescued(path: Path, identity: Identity) -> str:
    """Save the result file that was opened at `path`; return what happened and what to do."""
    opened = list(handles())
    handle = next((each for each in opened if each.identity == identity), None)
    if handle is None:
        return (
            f"{path} is not the file any more that this run has written to; put that one back and "
            "start again, or begin anew with an empty --state and a new --db"
        )
    if not handle.is_deleted:
        return (
            f"{path} was renamed to {handle.path} while this run wrote to it; put it back, with "
            f"{wal_of(path).name} beside it if there is one, and start again: nothing is lost"
        )
    try:
        saved = _save(path, handle, opened)
    except (OSError, duckdb.Error) as error:
        return (
            f"{path} was deleted while this run wrote to it, and could not be saved "
            f"({str(error).splitlines()[0]}); begin anew with an empty --state and a new --db"
        )
    if saved == path:
        return (
            f"{path} was deleted while this run wrote to it; it has been written there once more, "
            "with all that was committed: start again"
        )
    return (
        f"{path} was replaced while this run wrote to it; all that was committed is saved in "
        f"{saved}: move what is at its place away, rename it to {path.name}, and start again"
    )


def _save(path: Path, handle: Handle, opened: list[Handle]) -> Path:
    """Copy a deleted file and its log into one file, and return its path."""
    log = next((each for each in opened if each.path.name == wal_of(path).name), None)
    target = _free(path, None if log is None else log.identity)
    copy = target.with_name(target.name + ".copy")
    _copy(handle.content, copy)
    if log is not None:
        _copy(log.content, wal_of(copy))
    duckdb.connect(str(copy)).close()  # merges the log into the file
    wal_of(target).unlink(missing_ok=True)  # now contained in the copy
    copy.rename(target)
    sync_folder(target.parent)
    return target


def _free(path: Path, log: Identity | None) -> Path:
    """Return a path at which there is no file, and no log of another file."""
    names = (path.with_name(f"{path.name}{SAVED}{number or ''}") for number in count())
    if found_at(path) is None and found_at(wal_of(path)) in (None, log):
        return path
    return next(name for name in names if found_at(name) is None and found_at(wal_of(name)) is None)


def _copy(source: Path, target: Path) -> None:
    """Copy an open file durably; reopens it, because DuckDB's handle of the log is write-only."""
    with source.open("rb") as content, target.open("wb") as file:
        shutil.copyfileobj(content, file, _COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())
