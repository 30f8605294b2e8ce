"""Which processes of a folder live: each holds a lock on a file of its own until it ends.

The kernel drops the lock of a process that is killed, so no timer has to guess.
"""

import fcntl
import secrets
from pathlib import Path
from typing import IO, Final

_OPENINGS_MAX: Final = 100
"""Tries to keep a file that others remove before it is locked."""


class Living:
    """This process among those of a folder."""

    def __init__(self, folder: Path) -> None:
        """Take a name, and remove the files of those that have ended. Raises OSError."""
        self._folder = folder
        for path in folder.glob(".api-*.alive"):
            if not _is_held(path):
                path.unlink(missing_ok=True)
        self.name, self._file = self._held()

    def lives(self, name: str) -> bool:
        """Return whether the process with a name has not ended."""
        return name == self.name or _is_held(self._path(name))

    def close(self) -> None:
        """End: from now on this process does not live."""
        self._path(self.name).unlink(missing_ok=True)
        self._file.close()

    def _held(self) -> tuple[str, IO[bytes]]:
        for _ in range(_OPENINGS_MAX):
            name = secrets.token_hex(8)
            file = self._path(name).open("xb")
            fcntl.flock(file, fcntl.LOCK_EX)
            # Another process that starts may have removed it before it was locked.
            if self._path(name).exists():
                return name, file
            file.close()
        message = "a file of this process is removed again and again"
        raise OSError(message)

    def _path(self, name: str) -> Path:
        return self._folder / f".api-{name}.alive"


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
