"""Opens only regular files: a read from a pipe or a device may block for ever, or never end.

Symbolic links are followed.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO, Final

_KINDS: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class IrregularError(OSError):
    """The path is not a regular file; `strerror` says what it is."""


def kind_of(path: Path) -> str | None:
    """Return what kind of file is at a path; None for a regular one. Never blocks.

    Raises OSError if the kind cannot be determined, FileNotFoundError if nothing is there.
    """
    try:
        return _kind(path.stat().st_mode)
    except FileNotFoundError:
        if path.is_symlink():
            return "a link to what is not there"
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link that leads back to itself"
        raise


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading; raises OSError, IrregularError for any other kind.

    The path is checked first, because opening a device may have effects. The opened file is checked
    again, because it may have been replaced meanwhile: opening a pipe does not wait for a writer
    here.
    """
    _refuse(kind_of(path))
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse(_kind(os.fstat(handle).st_mode))
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise


def read_regular(path: Path) -> bytes:
    """Read a whole regular file; raises OSError, IrregularError for any other kind."""
    with open_regular(path) as file:
        return file.read()


def _refuse(kind: str | None) -> None:
    if kind is not None:
        raise IrregularError(errno.EINVAL, f"it is {kind}, and no regular file")


def _kind(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return _KINDS.get(stat.S_IFMT(mode), "no regular file")
