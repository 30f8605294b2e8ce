"""The files of a log in a folder: which of them are read, and how one is opened.

Knows only the names and kinds of files, not their contents.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import pyarrow as pa

from attribution.vocabulary import STREAMS
from connectors.errors import OperatorError
from connectors.files.names import NAME, why_not_read
from connectors.positions import FilePosition
from connectors.regular_files import kind_of, open_regular
from connectors.wording import shown

COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}

SHOWN_MAX: Final = 10
"""Names in one message; a folder may hold thousands that are not read."""


class LogError(OperatorError):
    """A folder of raw streams cannot be replayed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a raw stream; its partition is its name without the compression suffix."""

    stream: str
    path: Path

    @property
    def partition(self) -> str:
        """The name of the partition."""
        return self.path.name.removesuffix(self.path.suffix) if self.is_packed else self.path.name

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed."""
        return self.path.suffix in COMPRESSIONS

    def has_inode(self, inode: int) -> bool:
        """Return whether the file has this inode."""
        try:
            return self.path.stat().st_ino == inode
        except OSError:
            return False

    @property
    def size(self) -> int:
        """Size of the file on disk, packed or not; raises LogError."""
        with reading(self):
            return self.path.stat().st_size

    def is_there(self) -> bool:
        """Return whether a regular file exists; true if that cannot be determined."""
        try:
            return kind_of(self.path) is None
        except FileNotFoundError:
            return False
        except OSError:  # reading it reports the error
            return True

    def open(self) -> tuple[IO[bytes], IO[bytes]]:
        """Open the file; return its content, and the raw file, which shows the read progress."""
        raw = open_regular(self.path)
        if not self.is_packed:
            return raw, raw
        packed = pa.CompressedInputStream(pa.PythonFile(raw), COMPRESSIONS[self.path.suffix])
        return cast("IO[bytes]", packed), raw

    def begins_as(self, place: FilePosition) -> bool:
        """Return whether the file begins as one that was read up to `place`; raises LogError."""
        with reading(self):
            content, raw = self.open()
            with raw:
                return place.is_of(content.read(place.head_size))


@dataclass(frozen=True, slots=True)
class Found:
    """The files of the log with their inodes; `left` gives the reason for each name not read."""

    folder: Path
    files: dict[LogFile, int]
    left: dict[str, str]

    def not_read(self) -> Iterator[str]:
        """Yield a sentence for each entry that is not read, which an operator may not expect."""
        if self.left:
            yield f"{self.folder} holds what is not read: {listed(self.left)}"

    def missing(self) -> Iterator[str]:
        """Yield a sentence for each stream without a file."""
        for stream in sorted(set(STREAMS) - {file.stream for file in self.files}):
            yield f"{self.folder} holds no {stream}*.ndjson: nothing can be attributed without"


def listed(left: Mapping[str, str]) -> str:
    """Return some of the names that are not read, with the reasons, as text."""
    names = sorted(left)
    more = len(names) - SHOWN_MAX
    first = ", ".join(f"{shown(name)} ({left[name]})" for name in names[:SHOWN_MAX])
    return f"{first} and {more:,} more" if more > 0 else first


def find_files(folder: Path) -> list[LogFile]:
    """List the raw streams of a folder: `events*.ndjson` and `impressions*.ndjson`, packed or not.

    Raises LogError when there are none, or when two files belong to one partition.
    """
    found = look_into(folder)
    if not found.files:
        but = f"; not read: {listed(found.left)}" if found.left else ""
        msg = (
            f"{folder} holds no events*.ndjson or impressions*.ndjson "
            f"(.gz and .zst may follow){but}"
        )
        raise LogError(msg)
    count = Counter(file.partition for file in found.files)
    if twice := sorted(name for name, times in count.items() if times > 1):
        msg = f"{folder} holds {', '.join(twice)} twice, packed and plain; keep one of each"
        raise LogError(msg)
    return sorted(found.files, key=lambda file: file.partition)


def list_files(folder: Path) -> dict[LogFile, int]:
    """Return the raw streams of a folder and the inode of each, as `look_into` does."""
    return look_into(folder).files


def look_into(folder: Path) -> Found:
    """List a folder.

    It may contain no raw streams, or two of one partition while a file is being packed. Raises
    LogError when it is not a folder.
    """
    found = Found(folder, {}, {})
    try:
        with os.scandir(folder) as entries:  # fast: called several times a second
            for entry in entries:
                _sort_in(entry, found)
    except (FileNotFoundError, NotADirectoryError) as error:
        msg = f"{folder} is not a folder; expected one with events*.ndjson and impressions*.ndjson"
        raise LogError(msg) from error
    except OSError as error:
        msg = f"{folder} cannot be listed: {error.strerror}; let this user read the folder"
        raise LogError(msg) from error
    return found


def _sort_in(entry: "os.DirEntry[str]", found: Found) -> None:
    match = NAME.fullmatch(entry.name)
    why = _kind(entry) if match else why_not_read(entry.name, is_folder=_is_folder(entry))
    if why is not None:
        found.left[entry.name] = why
    elif match is not None:
        found.files[LogFile(match["stream"], found.folder / _checked(match[0]))] = entry.inode()


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead nowhere
        return False


def _kind(entry: "os.DirEntry[str]") -> str | None:
    """Return the kind of an entry that is no regular file; None also if it cannot be determined.

    Reading such an entry reports the error; skipping it would lose its records.
    """
    with suppress(OSError):  # a link whose target cannot be examined
        if entry.is_file():
            return None
    with suppress(OSError):
        return kind_of(Path(entry.path))
    return None


REPLACE: Final = "; replace the file and replay again"


@contextmanager
def reading(file: LogFile, advice: str = REPLACE) -> Iterator[None]:
    """Turn a read error into a LogError that names the file."""
    try:
        yield
    except PermissionError as error:
        msg = f"{file.path} cannot be read: {error.strerror}; let this user read the file"
        raise LogError(msg) from error
    except OSError as error:
        msg = f"{file.path} cannot be read: {error}{advice}"
        raise LogError(msg) from error


def _checked(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        msg = f"the file name {name!r} is no UTF-8, and would name a partition; rename the file"
        raise LogError(msg) from None
    return name
