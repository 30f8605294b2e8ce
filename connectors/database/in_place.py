"""Whether files that are kept open still lie where a start would look for them.

A file that was deleted, renamed or replaced can be written on without an error, and all of that is
lost when the process ends. So what is open is compared with what lies at its path, by device and
inode, before each commit.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

Identity = tuple[int, int]
"""Device and inode: what a file keeps when it is renamed."""

_DELETED: Final = " (deleted)"
_HANDLES: Final = Path("/proc/self/fd")
"""The open files of this process, where the system shows them (Linux)."""


@dataclass(frozen=True, slots=True)
class InPlace:
    """Files and folders by their paths, and what they were when they were opened."""

    known: dict[Path, Identity]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> Self:
        """Remember what lies at paths; raises OSError where nothing does."""
        return cls({path: _identity(os.stat(path)) for path in paths})  # noqa: PTH116

    def moved(self) -> Iterator[Path]:
        """Name the paths at which there is nothing now, or something else."""
        for path, identity in self.known.items():
            if found_at(path) != identity:
                yield path


NOTHING: Final = InPlace({})
"""Nothing to look for."""


@dataclass(frozen=True, slots=True)
class Handle:
    """An open file of this process: the path that it has, or had until it was deleted.

    `content` is a path by which it can be read even then.
    """

    content: Path
    path: Path
    is_deleted: bool
    identity: Identity


def handles() -> Iterator[Handle]:
    """Yield the open files of this process; none where the system does not show them."""
    with suppress(FileNotFoundError):
        for link in _HANDLES.iterdir():
            with suppress(OSError):  # one that was closed meanwhile
                path, status = str(link.readlink()), link.stat()
                name = path.removesuffix(_DELETED)
                is_deleted = name != path or not status.st_nlink
                yield Handle(link, Path(name), is_deleted, _identity(status))


def found_at(path: Path) -> Identity | None:
    """Return the identity of the file at a path; None without one."""
    try:
        return _identity(os.stat(path))  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return None


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
