"""The engine's recovery store, read and mended while no worker runs.

The engine keeps the snapshots of each step and key by epoch in SQLite files, and resumes with the
newest that lie before the epoch at which the slowest worker stood. What is above that belongs to
an epoch that was never committed, but the engine leaves it in place and, were the same epoch number
reached again without a new snapshot of that key, would take it for committed: hence `scrub`.
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
"""The id of the flow, which begins the ids of its steps in the store."""

PARTITIONS: Final = 1
"""Files of the store. Each costs an epoch time, and more only help where keys are many."""

FIRST_EPOCH: Final = 1
"""Where the engine begins when it has never run."""

_FILES: Final = "part-*.sqlite3"

_PANIC: Final = "PanicException"
"""How the engine fails, which is no Exception."""

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
"""How the names of SQLite's faults begin that say nothing against what is in the store."""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was taken out: rows of uncommitted epochs, and keys that had been discarded."""

    uncommitted: int
    discarded: int


@contextmanager
def _silent_engine() -> Iterator[None]:
    """Keep the engine from writing to stderr of what it then says again by an exception."""
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
        """Make an empty store in a new folder, which appears when it is complete."""
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
        """Name the files of the store."""
        return sorted(self.folder.glob(_FILES))

    def changed_at(self) -> int:
        """Return when a file of the store was last written, as every epoch does; 0 without one."""
        times = [0]
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                with suppress(FileNotFoundError):  # the engine's own comes and goes
                    times.append(path.stat().st_mtime_ns)
        return max(times)

    def is_complete(self) -> bool:
        """Return whether the store has all of its files."""
        counts = {count for (count,) in self._ask("select part_count from parts")}
        return counts == {len(self.files())}

    def check(self) -> None:
        """See that the files are sound as files of SQLite; raises RecoveryError."""
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
        """Return whether it is known how far what it holds was committed."""
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
        """Take out what was never committed, and what is left of discarded keys."""
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
        """Ask every file: what belongs together may be spread over them."""
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
"""With the older rows of the key: without its last row, they would be what is resumed."""


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a file that is there; a fault of SQLite's becomes one that names it.

    What time or an operator mends is told from damage, for which a copy is needed.
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
