"""The file of a result as its writer holds it: copied from while the job writes on.

A copy is the file and its write-ahead log as of one commit. Until it is done, the result must not
be checkpointed, which rewrites the file; a checkpoint that is due lets no further copy begin.

A process that closes a file loses all its locks on it (POSIX), DuckDB's as well, and another one
could then write the same file. So the file is opened once, and closed after DuckDB has closed it.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from connectors.database.file import DatabaseError, wal_of
from connectors.database.in_place import found_at, handles

NOT_OPEN: Final = -1

PIECE_BYTES: Final = 1 << 20
"""Bytes that are read at once."""

COPIES_MAX: Final = 4
"""Copies made at once; further ones are refused."""

COPY_SECONDS_MAX: Final = 600.0
"""How long a copy may take: so long may the write-ahead log grow."""

HELD_BYTES_MAX: Final = 512 << 20
"""Size of the write-ahead log at which a checkpoint waits for copies no longer, and they fail.
DuckDB would make one by itself at `file.CHECKPOINT_THRESHOLD`, in the middle of a copy."""


class NoCopyError(DatabaseError):
    """No copy can be made now, or the one that was being made cannot be completed."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A state of the result: its last commit, and the sizes of the file and of its log (bytes)."""

    seq: int
    file_bytes: int
    wal_bytes: int


class HeldFile:
    """The file of a result that this process has open for writing; threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet: the file may not exist."""
        self.path = path
        self._file = NOT_OPEN
        self._lock = Lock()
        self._seq, self._wal_bytes = 0, 0
        self._copies = 0
        self._checkpoints = 0
        self._is_due = self._is_ending = False

    def open(self) -> None:
        """Open the file after DuckDB has, before it is written to; raises OSError."""
        self._file = os.open(self.path, os.O_RDONLY)

    def note(self, seq: int) -> None:
        """Note the last commit, after each transaction."""
        with self._lock:
            self._seq, self._wal_bytes = seq, self._size_of_log()

    @contextmanager
    def checkpointing(self) -> Iterator[bool]:
        """Yield whether the result may be checkpointed within the block."""
        with self._lock:
            self._is_due = self._copies > 0 and self._size_of_log() < HELD_BYTES_MAX
            self._checkpoints += not self._is_due
            yield not self._is_due
            if not self._is_due:
                self._wal_bytes = self._size_of_log()

    @contextmanager
    def copying(self, *, is_last: bool = False) -> Iterator["Copy"]:
        """Yield a copy of the last commit, to be read within the block; raises NoCopyError.

        With `is_last` there will be no more checkpoints, so nothing has to wait.
        """
        with self._lock:
            is_busy = self._is_due or self._copies >= COPIES_MAX
            if self._is_ending or (is_busy and not is_last):
                msg = f"{self.path} cannot be copied at this moment; ask again"
                raise NoCopyError(msg)
            self._copies += 1
            of = Committed(self._seq, os.fstat(self._file).st_size, self._wal_bytes)
            copy = Copy(self, of, self._checkpoints)
        try:
            yield copy
        finally:
            with self._lock:
                self._copies -= 1

    def end(self) -> None:
        """Let all copies that are being made fail: DuckDB closes the file, and rewrites it."""
        with self._lock:
            self._is_ending = True

    def close(self) -> None:
        """Close the file, after DuckDB has closed it.

        DuckDB keeps it open while an answer is being sent, say to a client that has stopped
        reading; then it stays open until the process ends.
        """
        if self._file != NOT_OPEN and not self._is_open_elsewhere():
            os.close(self._file)

    def _is_open_elsewhere(self) -> bool:
        opened = found_at(Path(f"/proc/self/fd/{self._file}"))
        return sum(each.identity == opened for each in handles()) > 1

    def read(self, copy: "Copy", file: int | None, size: int, offset: int) -> bytes:
        """Return a piece of an open file, by default of the result; raises NoCopyError."""
        with self._lock:
            if self._is_ending or copy.checkpoints != self._checkpoints:
                msg = f"{self.path} changes, so the copy is not completed; ask again"
                raise NoCopyError(msg)
            return os.pread(self._file if file is None else file, size, offset)

    def _size_of_log(self) -> int:
        with suppress(FileNotFoundError):
            return wal_of(self.path).stat().st_size
        return 0


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is being made: `of` which state, and its content in pieces.

    It holds until the next of the `checkpoints`.
    """

    held: HeldFile
    of: Committed
    checkpoints: int
    _begun: float = field(default_factory=time.monotonic)

    def file(self) -> Iterator[bytes]:
        """Yield the content of the file; raises NoCopyError."""
        yield from self._pieces(None, self.of.file_bytes)

    def log(self) -> Iterator[bytes]:
        """Yield the content of the write-ahead log; raises NoCopyError, and OSError."""
        if self.of.wal_bytes:
            with wal_of(self.held.path).open("rb") as log:
                yield from self._pieces(log.fileno(), self.of.wal_bytes)

    def _pieces(self, file: int | None, size: int) -> Iterator[bytes]:
        at = 0
        while at < size:
            piece = self.held.read(self, file, min(size - at, PIECE_BYTES), at)
            if not piece or time.monotonic() - self._begun > COPY_SECONDS_MAX:
                msg = f"the copy of {self.held.path} was not completed; ask again"
                raise NoCopyError(msg)
            at += len(piece)
            yield piece


def write_copy(copy: Copy, path: Path) -> None:
    """Write a copy and its log, not durably; raises NoCopyError, and OSError."""
    with path.open("wb") as file:
        file.writelines(copy.file())
    if copy.of.wal_bytes:
        with wal_of(path).open("wb") as file:
            file.writelines(copy.log())
