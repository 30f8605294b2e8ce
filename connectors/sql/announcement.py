"""The file `<result>.live`: where the job that writes a result answers questions to it.

Only the user of the job can read it, because it holds the token. A file is believed only if it was
written by this user for this very result, and if the process that wrote it still runs: a copy, or
one left by a killed job, is not.
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from connectors.database.in_place import Identity, found_at
from connectors.durable import UNFINISHED

SUFFIX: Final = ".live"

PRIVATE: Final = 0o600

NOWHERE: Final = (0, 0)
"""The identity of no file: that of a result which was moved away; the writer reports it."""

BYTES_MAX: Final = 4096
"""Size up to which a file is read; a genuine one has some 200 bytes."""

TOKEN_BYTES: Final = 32

_STAT: Final = "/proc/{}/stat"
_START_FIELD: Final = 19
"""The field with a process's start time, counted after the name of its program."""


class Announcement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a job answers. `process_start` is None if the system does not say it.

    `result` is the identity of the result file.
    """

    pid: int
    process_start: int | None
    port: int
    token: str
    result: Identity
    quack_port: int | None = None

    @classmethod
    def of(cls, database: Path, *, port: int, token: str, quack_port: int | None = None) -> Self:
        """Announce this process; nobody believes it if the result is no longer there."""
        return cls(
            pid=os.getpid(),
            process_start=_process_start(os.getpid()),
            port=port,
            token=token,
            result=found_at(database) or NOWHERE,
            quack_port=quack_port,
        )

    def write(self, database: Path) -> None:
        """Create or replace the file; raises OSError."""
        path = announcement_of(database)
        unfinished = path.with_name(path.name + UNFINISHED)
        unfinished.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(unfinished, flags, PRIVATE), "wb") as file:
            file.write(msgspec.json.encode(self))
        unfinished.replace(path)

    def remove(self, database: Path) -> None:
        """Remove the file, unless another process has replaced it."""
        with suppress(OSError, msgspec.DecodeError):
            if _read(announcement_of(database)) == self:
                announcement_of(database).unlink()

    @property
    def is_alive(self) -> bool:
        """Whether the process that announced itself still runs."""
        if self.process_start is not None:
            return _process_start(self.pid) == self.process_start
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return True


def announcement_of(database: Path) -> Path:
    """Return the path of the file beside a result."""
    place = database.resolve()
    return place.with_name(place.name + SUFFIX)


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def find_job(database: Path) -> Announcement | None:
    """Return where the job of a result answers; None if no file can be believed."""
    try:
        found = _read(announcement_of(database))
    except (OSError, msgspec.DecodeError):
        return None
    is_of_result = found is not None and found.result == found_at(database)
    return found if found is not None and is_of_result and found.is_alive else None


def _read(path: Path) -> Announcement | None:
    """Read a file that this user alone can have written; None if others could have."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        is_ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not is_ours or stat.S_IMODE(status.st_mode) & ~PRIVATE:
            return None
        return msgspec.json.decode(file.read(BYTES_MAX), type=Announcement)


def _process_start(pid: int) -> int | None:
    """Return when a process started, in ticks since the boot; None if it does not run (Linux)."""
    try:
        told = Path(_STAT.format(pid)).read_bytes()
    except OSError:
        return None
    return int(told.rpartition(b")")[2].split()[_START_FIELD])
