"""Copies of the result of a running job, for programs that open files.

A copy is made by a thread, and the job commits on. Each has a name of its own, and a stable link is
moved to the latest: who has an older one open keeps it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final

import duckdb
import structlog

from connectors import metrics
from connectors.database.file import DatabaseError, prepare, wal_of
from connectors.database.held_file import Copy, HeldFile, NoCopyError, write_copy
from connectors.durable import UNFINISHED, sync_folder
from connectors.failpoints import reach

LOG: Final = structlog.get_logger("tributary")

KEPT: Final = 2
"""How many copies are kept, the latest included."""

MEMORY: Final = "512MB"
"""Memory for merging a copy; more is spilled."""


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

    def __init__(self, result: HeldFile, publication: Publication | None) -> None:
        """Remove what a killed job has left unfinished; raises OSError."""
        self._result = result
        self._to = publication
        self._seq: int | None = None
        self._published: int | None = None
        self._due_at = 0.0
        self._thread: Thread | None = None
        for path in publication.leftovers() if publication else ():
            path.unlink()

    @property
    def is_copying(self) -> bool:
        """Whether a copy is being made."""
        return self._thread is not None and self._thread.is_alive()

    def look(self, seq: int) -> None:
        """Start a copy if one is due; call it after each commit, once the file has noted it."""
        self._seq = seq
        if self._to is None or seq == self._published or self.is_copying:
            return
        if time.monotonic() >= self._due_at:
            self._due_at = time.monotonic() + self._to.interval / 1e6
            self._thread = Thread(target=self._publish, args=(self._to,), name="publish")
            self._thread.start()

    def close(self) -> None:
        """Wait for the copy that is being made, and publish the last commit."""
        if self._thread is not None:
            self._thread.join()
        if self._to and self._seq not in {None, self._published}:
            self._publish(self._to, is_last=True)

    def _publish(self, to: Publication, *, is_last: bool = False) -> None:
        """Publish the last commit; a failure is reported, and the job goes on."""
        try:
            with self._result.copying(is_last=is_last) as copy:
                unfinished = _copied(copy, to)
            _complete(unfinished, to.copy_of(copy.of.seq))
            _link(to.copy_of(copy.of.seq), to)
        except NoCopyError:
            self._due_at = 0.0  # a checkpoint comes first
        except (OSError, duckdb.Error) as error:
            metrics.COPIES.labels("failed").inc()
            LOG.warning("no copy published", path=str(to.link), reason=str(error).splitlines()[0])
        else:
            self._published = copy.of.seq
            metrics.COPIES.labels("published").inc()
            metrics.COPY_COMMIT.set(copy.of.seq)


def _copied(copy: Copy, to: Publication) -> Path:
    """Write a copy beside the link, under the name of an unfinished one."""
    path = to.copy_of(copy.of.seq)
    unfinished = path.with_name(path.name + UNFINISHED)
    with _removed_on_failure(unfinished):
        write_copy(copy, unfinished)
    return unfinished


def _complete(unfinished: Path, path: Path) -> None:
    """Merge the log of a copy into it, durably, and give it its name."""
    with _removed_on_failure(unfinished):
        with duckdb.connect(str(unfinished)) as connection:
            prepare(connection)
            connection.execute(f"set memory_limit = '{MEMORY}'")
            connection.execute("checkpoint")
        with unfinished.open("rb") as file:  # where there was no log, nothing was written
            os.fsync(file.fileno())
        reach("copy.before_rename")
        unfinished.rename(path)


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for each in (path, wal_of(path)):
            with suppress(OSError):
                each.unlink(missing_ok=True)
        raise


def _link(path: Path, to: Publication) -> None:
    """Let the link lead to a copy, and remove those that are too old."""
    reach("copy.before_link")
    link = to.link.with_name(to.link.name + UNFINISHED)
    link.unlink(missing_ok=True)
    link.symlink_to(path.name)
    link.replace(to.link)
    sync_folder(to.link.parent)
    for old in to.copies()[:-KEPT]:
        old.unlink()
