"""Reads and repairs the engine's recovery store while no worker runs.

The engine stores the snapshots of each step and key by epoch in SQLite files. It resumes with the
newest ones before the epoch of the slowest worker. Later snapshots belong to an epoch that was
never committed, but the engine leaves them in place. If it reached the same epoch number again
without a new snapshot of that key, it would take the old one for committed; `scrub` prevents this.
"""

import os
import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

from bytewax.recovery import init_db_dir

from connectors.durable import UNFINISHED, sync_folder
from connectors.state.errors import WAYS_OUT, RecoveryError
from connectors.state.sealing import State, plain, unsealed

FLOW: Final = "tributary"
"""The id of the flow, a prefix of the ids of its steps in the store."""

PARTITIONS: Final = 1
"""Number of files of the store. Each costs time per epoch; more only help with many keys."""

FIRST_EPOCH: Final = 1
"""The epoch at which the engine starts on an empty store."""

_FILES: Final = "part-*.sqlite3"

_PANIC: Final = "PanicException"
"""Type of the engine's errors, which is not a subclass of Exception."""

_SQLITE_SAYS: Final = re.compile(r'Some\("([^"]+)"\)')
_MEND: Final = "make room, or mend the disk or its permissions, and start again: nothing is lost"

OUT_OF_REACH: Final = (
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_PERM",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
)
"""Prefixes of the SQLite error names that do not mean that the store is damaged."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was deleted: rows of uncommitted epochs, and keys that had been discarded."""

    uncommitted: int
    discarded: int


@contextmanager
def _silent_engine() -> Iterator[None]:
    """Silence stderr: the engine prints there what its exception says again."""
    with Path(os.devnull).open("wb") as nowhere, os.fdopen(os.dup(2), "wb") as screen:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen.fileno(), 2)


@dataclass(frozen=True, slots=True)
class RecoveryStore:
    """The folder of SQLite files of a flow. The caller holds the lock of the state directory."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "RecoveryStore":
        """Create an empty store in a new folder, which gets its name when it is complete."""
        unfinished = folder.with_name(folder.name + UNFINISHED)
        rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            with _silent_engine():
                init_db_dir(unfinished, PARTITIONS)  # type: ignore[no-untyped-call]
        except BaseException as error:
            rmtree(unfinished, ignore_errors=True)
            if type(error).__name__ != _PANIC:
                raise
            reason = _SQLITE_SAYS.search(str(error))
            msg = f"{folder} cannot be written: {reason[1] if reason else error}; {_MEND}"
            raise RecoveryError(msg) from error
        unfinished.rename(folder)
        sync_folder(folder.parent)
        return cls(folder)

    def files(self) -> Collection[Path]:
        """Return the files of the store."""
        return sorted(self.folder.glob(_FILES))

    def changed_at(self) -> int:
        """Return when a file of the store was last written, as every epoch does; 0 without one."""
        times = [0]
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                with suppress(FileNotFoundError):  # the engine's temporary file
                    times.append(path.stat().st_mtime_ns)
        return max(times)

    def is_complete(self) -> bool:
        """Return whether the store has all of its files."""
        counts = {count for (count,) in self._ask("select part_count from parts")}
        return counts == {len(self.files())}

    def check(self) -> None:
        """Check the integrity of the SQLite files; raises RecoveryError."""
        for file in self.files():
            with _opened(file) as connection:
                ((found,),) = connection.execute("pragma integrity_check(1)").fetchall()
            if found != "ok":
                raise _damaged(file, found)

    def has_run(self) -> bool:
        """Return whether the engine was ever started on this store."""
        return self._execution() is not None

    def resume_epoch(self) -> int:
        """Return the first epoch that is not committed everywhere."""
        execution = self._execution()
        if execution is None:
            return FIRST_EPOCH
        number, workers, resumed = execution
        reached = dict.fromkeys(range(workers), resumed)
        fronts = "select worker_index, worker_frontier from fronts where ex_num = ?"
        for worker, frontier in self._ask(fronts, number):
            reached[worker] = max(reached.get(worker, resumed), frontier)
        return min(reached.values())

    def is_consistent(self) -> bool:
        """Return whether the store records up to which epoch its contents are committed."""
        return self.has_run() or not self.steps()

    def steps(self) -> dict[str, int]:
        """Count the rows of each step."""
        counts: dict[str, int] = {}
        for step, rows in self._ask("select step_id, count(*) from snaps group by step_id"):
            name = step.removeprefix(f"{FLOW}.")
            counts[name] = counts.get(name, 0) + rows
        return counts

    def snapshots(self, step: str, kind: type[State]) -> dict[str, State]:
        """Return the state of each key that the engine would resume with, of the given type."""
        return {
            key: unsealed(plain(blob), kind)
            for key, _, blob in self._ask(
                "select state_key, max(snap_epoch), ser_change from snaps "
                "where step_id = ? and snap_epoch < ? group by state_key order by state_key",
                f"{FLOW}.{step}",
                self.resume_epoch(),
            )
            if blob is not None
        }

    def scrub(self) -> Scrubbed:
        """Delete uncommitted rows, and those that remain of discarded keys."""
        resume = self.resume_epoch()
        uncommitted = discarded = 0
        for file in self.files():
            with _opened(file) as connection, connection:
                done = connection.execute("delete from snaps where snap_epoch >= ?", [resume])
                uncommitted += done.rowcount
                discarded += connection.execute(_DELETE_DISCARDED).rowcount
        return Scrubbed(uncommitted, discarded)

    def _execution(self) -> tuple[int, int, int] | None:
        """Return (number, workers, epoch it resumed at) of the last execution."""
        rows = self._ask("select ex_num, worker_count, resume_epoch from exs")
        return max(((number, workers, epoch) for number, workers, epoch in rows), default=None)

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Query every file: related rows may be spread over them."""
        answers: list[tuple[Any, ...]] = []
        for file in self.files():
            with _opened(file) as connection:
                answers += connection.execute(query, values).fetchall()
        return answers


_DELETE_DISCARDED: Final = """
delete from snaps where (step_id, state_key) in (
  select step_id, state_key from (
    select step_id, state_key, max(snap_epoch), ser_change from snaps group by step_id, state_key
  ) where ser_change is null
)"""
"""Includes older rows of the key: without its last row, the engine would resume from them."""


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing file; turns an SQLite error into a RecoveryError that names the file.

    Distinguishes damage, which takes a backup to repair, from errors that time or an operator
    resolves.
    """
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)
        ) as connection:
            yield connection
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        raise (_unreached if name.startswith(OUT_OF_REACH) else _damaged)(file, error) from error


def _unreached(file: Path, why: object) -> RecoveryError:
    return RecoveryError(
        f"{file} cannot be used: {why}; make room, or mend the disk or its permissions, and start "
        "again: nothing is lost"
    )


def _damaged(file: Path, why: object) -> RecoveryError:
    return RecoveryError(f"{file} cannot be read as a recovery store: {why}; {WAYS_OUT}")
