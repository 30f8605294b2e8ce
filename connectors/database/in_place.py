"""Checks that open files still exist at their paths, where the next start will open them.

Writing to a deleted, renamed or replaced file causes no error, but everything written is lost when
the process ends. So before each commit, the open file is compared with the one at its path, by
device and inode.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

Identity = tuple[int, int]
"""Device and inode, which a file keeps when it is renamed."""

_DELETED: Final = " (deleted)"
_HANDLES: Final = Path("/proc/self/fd")
"""The open files of this process (on Linux)."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """Paths of files and folders, with their identities when they were opened."""

    known: dict[Path, Identity]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self:
        """Store the identities of paths; raises OSError if one does not exist."""
        return cls({path: _identity(os.stat(path)) for path in paths})  # noqa: PTH116

    def moved(self) -> Iterator[Path]:
        """Yield the paths that no longer exist, or have another identity."""
        for path, identity in self.known.items():
            if found_at(path) != identity:
                yield path


NOTHING: Final = InPlace({})
"""Checks no path."""


@dataclass(frozen=True, slots=True)
class Handle:
    """An open file of this process: its path, or its former one if it was deleted.

    `content` is a path by which it can be read even after that.
    """

    content: Path
    path: Path
    is_deleted: bool
    identity: Identity


def handles() -> Iterator[Handle]:
    """Yield the open files of this process; none if the system does not list them."""
    with suppress(FileNotFoundError):
        for link in _HANDLES.iterdir():
            with suppress(OSError):  # closed meanwhile
                path, status = str(link.readlink()), link.stat()
                name = path.removesuffix(_DELETED)
                is_deleted = name != path or not status.st_nlink
                yield Handle(link, Path(name), is_deleted, _identity(status))


def found_at(path: Path) -> Identity | None:
    """Return the identity of the file at a path; None if there is none."""
    try:
        return _identity(os.stat(path))  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
