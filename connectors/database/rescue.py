"""What can still be done for a result file that is no more where the run has opened it.

One that was renamed is only to be put back. One that was deleted is still whole for as long as the
process has it open: it is copied, with its write-ahead log, to where the next start finds it.
"""

import os
import shutil
from itertools import count
from pathlib import Path
from typing import Final

import duckdb

from connectors.database.in_place import Handle, Identity, found_at, handles
from connectors.durable import sync_folder

SAVED: Final = ".saved"
"""Follows the name of a copy whose own name is taken."""

_COPY_BYTES: Final = 8 << 20
"""Copied at once."""


def rescued(path: Path, identity: Identity) -> str:
    """Save the result file that was opened at `path`; say what happened and what to do."""
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
            f"{_wal(path).name} beside it if there is one, and start again: nothing is lost"
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
    """Copy a deleted file and its log into one file, and give its name."""
    log = next((each for each in opened if each.path.name == _wal(path).name), None)
    target = _free(path, None if log is None else log.identity)
    copy = target.with_name(target.name + ".copy")
    _copy(handle.content, copy)
    if log is not None:
        _copy(log.content, _wal(copy))
    duckdb.connect(str(copy)).close()  # reads the log back into the file
    _wal(target).unlink(missing_ok=True)  # of which all is in the copy
    copy.rename(target)
    sync_folder(target.parent)
    return target


def _free(path: Path, log: Identity | None) -> Path:
    """Find a name at which nothing lies, nor a log that is not ours."""
    names = (path.with_name(f"{path.name}{SAVED}{number or ''}") for number in count())
    if found_at(path) is None and found_at(_wal(path)) in (None, log):
        return path
    return next(name for name in names if found_at(name) is None and found_at(_wal(name)) is None)


def _copy(source: Path, target: Path) -> None:
    """Copy what is open to a file that lasts; opened anew, for DuckDB only writes its log."""
    with source.open("rb") as content, target.open("wb") as file:
        shutil.copyfileobj(content, file, _COPY_BYTES)
        file.flush()
        os.fsync(file.fileno())


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")
