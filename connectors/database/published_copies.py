"""Copies of the result of a running job, for programs that open files.

A copy is the file and its write-ahead log as of one commit. They are copied and merged by a thread,
so the job commits on; it only must not checkpoint meanwhile, which rewrites the file. Each copy has
a name of its own, and a stable link is moved to the latest: who has an older one open keeps it.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final

import duckdb
import structlog

from connectors import metrics
from connectors.database.file import DatabaseError, prepare, wal_of
from connectors.durable import UNFINISHED, sync_folder
from connectors.failpoints import reach

LOG: Final = structlog.get_logger("tributary")

KEPT: Final = 2
"""How many copies are kept, the latest included."""

MEMORY: Final = "512MB"
"""Memory for merging a copy; more is spilled."""

PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Committed:
    """A state of the result: its last commit, and the size of the write-ahead log behind it."""

    seq: int
    wal_bytes: int

    @classmethod
    def of(cls, path: Path, seq: int) -> "Committed":
        """Look at a result right after a commit."""
        with suppress(FileNotFoundError):
            return cls(seq, wal_of(path).stat().st_size)
        return cls(seq, 0)


@dataclass(frozen=True, slots=True)
class Publication:
    """Where copies are published, and how often (us); `link` leads to the latest."""

    link: Path
    interval: int

    def check(self, result: Path) -> None:
        """Raise DatabaseError if copies cannot be published there."""
        if self.link.absolute() == result.absolute():
            msg = f"{self.link} is the result itself; name another file for its copies"
            raise DatabaseError(msg)
        if self.link.exists() and not self.link.is_symlink():
            msg = f"{self.link} is no link to a published copy; remove it, or name another file"
            raise DatabaseError(msg)
        if not self.link.suffix:
            msg = f"{self.link} has no suffix; name it as in {self.link.name}.duckdb"
            raise DatabaseError(msg)
        if not os.access(self.link.parent, os.W_OK | os.X_OK):
            msg = f"{self.link.parent} is no folder that can be written; make it, or name another"
            raise DatabaseError(msg)

    def copy_of(self, seq: int) -> Path:
        """Return the path of the copy as of a commit."""
        return self.link.with_name(f"{self.link.stem}.{seq}{self.link.suffix}")

    def copies(self) -> list[Path]:
        """Return the paths of all copies, the oldest first."""
        named = (
            (path.name[len(self.link.stem) + 1 : -len(self.link.suffix)], path)
            for path in self.link.parent.glob(f"{self.link.stem}.*{self.link.suffix}")
        )
        numbered = {int(number): path for number, path in named if number.isdecimal()}
        return [numbered[seq] for seq in sorted(numbered)]

    def leftovers(self) -> Iterator[Path]:
        """Yield what a killed job has left unfinished."""
        yield from self.link.parent.glob(f"{self.link.stem}.*{self.link.suffix}{UNFINISHED}*")


class PublishedCopies:
    """Publishes copies of one result, at most one at a time; none without a `publication`."""

    def __init__(self, result: Path, publication: Publication | None) -> None:
        """Remove what a killed job has left unfinished; raises OSError."""
        self._result = result
        self._to = publication
        self._state: Committed | None = None
        self._published: int | None = None
        self._due_at = 0.0
        self._thread: Thread | None = None
        for path in publication.leftovers() if publication else ():
            path.unlink()

    @property
    def is_copying(self) -> bool:
        """Whether a copy is being made: until it is done, the result must not be checkpointed."""
        return self._thread is not None and self._thread.is_alive()

    def look(self, seq: int) -> None:
        """Start a copy if one is due; call it between transactions, after each commit."""
        if self._to is None:
            return
        self._state = Committed.of(self._result, seq)
        if time.monotonic() >= self._due_at and seq != self._published and not self.is_copying:
            self._due_at = time.monotonic() + self._to.interval / 1e6
            self._thread = Thread(
                target=self._publish, args=(self._state, self._to), name="publish"
            )
            self._thread.start()

    def close(self) -> None:
        """Wait for the copy that is being made, and publish the last commit."""
        if self._thread is not None:
            self._thread.join()
        if self._to and self._state and self._state.seq != self._published:
            self._publish(self._state, self._to)

    def _publish(self, state: Committed, to: Publication) -> None:
        """Publish a state; a failure is reported, and the job goes on."""
        try:
            _copy(self._result, state, to)
        except (OSError, duckdb.Error) as error:
            metrics.COPIES.labels("failed").inc()
            LOG.warning("no copy published", path=str(to.link), reason=str(error).splitlines()[0])
        else:
            self._published = state.seq
            metrics.COPIES.labels("published").inc()
            metrics.COPY_COMMIT.set(state.seq)


def _copy(result: Path, state: Committed, to: Publication) -> None:
    """Copy a state, merge its log into it, and let the link lead there."""
    copy = to.copy_of(state.seq)
    unfinished = copy.with_name(copy.name + UNFINISHED)
    try:
        shutil.copyfile(result, unfinished)
        _copy_beginning(wal_of(result), wal_of(unfinished), state.wal_bytes)
        _merge(unfinished)
        reach("copy.before_rename")
        unfinished.rename(copy)
    except BaseException:
        for path in (unfinished, wal_of(unfinished)):
            path.unlink(missing_ok=True)
        raise
    reach("copy.before_link")
    link = to.link.with_name(to.link.name + UNFINISHED)
    link.unlink(missing_ok=True)
    link.symlink_to(copy.name)
    link.replace(to.link)
    sync_folder(to.link.parent)
    for old in to.copies()[:-KEPT]:
        old.unlink()


def _copy_beginning(source: Path, target: Path, size: int) -> None:
    """Copy the first bytes of a file; none where there are none to be copied."""
    if not size:
        return
    with source.open("rb") as reading, target.open("wb") as writing:
        while size and (piece := reading.read(min(size, PIECE_BYTES))):
            writing.write(piece)
            size -= len(piece)


def _merge(path: Path) -> None:
    """Merge the write-ahead log into its file, durably."""
    with duckdb.connect(str(path)) as connection:
        prepare(connection)
        connection.execute(f"set memory_limit = '{MEMORY}'")
        connection.execute("checkpoint")
