"""Folders of NDJSON files as lanes: each lane reads whichever of its files lags in arrival time.

Knows files and bytes; what the bytes mean is the decoder's business.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, cast

import pyarrow as pa

from attribution.contract.document import MAX_DOCUMENT_BYTES, Unreadable, read_document
from attribution.contract.times import parse_time
from attribution.decoded import Decoded
from attribution.frames import END, START
from connectors.decode import PartitionDecoder
from connectors.lines import Lines

CHUNK_BYTES: Final = 16_000_000
"""Bytes decoded at once: a query costs about 1 ms whatever it reads, so chunks must be large."""

PEEK_BYTES: Final = 1_000_000
"""Bytes looked at to learn when a file begins."""

STREAMS: Final = ("events", "impressions")
COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
_NAME: Final = re.compile(r"(?P<stream>events|impressions).*\.ndjson(\.gz|\.zst)?", re.DOTALL)


class LogError(Exception):
    """A folder of raw streams cannot be replayed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a raw stream; its partition is its name without the compression suffix."""

    stream: str
    path: Path

    @property
    def partition(self) -> str:
        """The name that places refer to."""
        return self.path.name.removesuffix(self.path.suffix) if self.is_packed else self.path.name

    @property
    def is_packed(self) -> bool:
        """Whether reading it means unpacking it."""
        return self.path.suffix in COMPRESSIONS

    def has_inode(self, inode: int) -> bool:
        """Tell whether this is the file of an inode."""
        try:
            return self.path.stat().st_ino == inode
        except OSError:
            return False

    def open(self) -> tuple[IO[bytes], IO[bytes]]:
        """Open the file: its content, and the file itself to ask how far reading has come."""
        raw = self.path.open("rb")
        if not self.is_packed:
            return raw, raw
        packed = pa.CompressedInputStream(pa.PythonFile(raw), COMPRESSIONS[self.path.suffix])
        return cast("IO[bytes]", packed), raw


def find_files(folder: Path) -> list[LogFile]:
    """List the raw streams of a folder: `events*.ndjson` and `impressions*.ndjson`, packed or not.

    Raises LogError when there are none, or when two files are one partition.
    """
    files = list(list_files(folder))
    if not files:
        msg = f"{folder} holds no events*.ndjson or impressions*.ndjson (.gz and .zst may follow)"
        raise LogError(msg)
    count = Counter(file.partition for file in files)
    if twice := sorted(name for name, times in count.items() if times > 1):
        msg = f"{folder} holds {', '.join(twice)} twice, packed and plain; keep one of each"
        raise LogError(msg)
    return sorted(files, key=lambda file: file.partition)


def list_files(folder: Path) -> dict[LogFile, int]:
    """List the raw streams that a folder holds now, and the inode of each.

    There may be none, and two of one partition while a file is being packed. Raises LogError when
    it is no folder.
    """
    try:
        with os.scandir(folder) as entries:  # asked several times a second; no file is looked at
            found = [(_NAME.fullmatch(entry.name), entry.inode()) for entry in entries]
    except (FileNotFoundError, NotADirectoryError) as error:
        msg = f"{folder} is not a folder; expected one with events*.ndjson and impressions*.ndjson"
        raise LogError(msg) from error
    except OSError as error:
        msg = f"{folder} cannot be listed: {error.strerror}; let this user read the folder"
        raise LogError(msg) from error
    return {
        LogFile(match["stream"], folder / _checked(match[0])): inode
        for match, inode in found
        if match
    }


@contextmanager
def _reading(file: LogFile) -> Iterator[None]:
    """Say which file it was that could not be read."""
    try:
        yield
    except OSError as error:
        msg = f"{file.path} cannot be read: {error}; replace the file and replay again"
        raise LogError(msg) from error


def _checked(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        msg = f"the file name {name!r} is no UTF-8, and would name a partition; rename the file"
        raise LogError(msg) from None
    return name


@dataclass(slots=True)
class Tail:
    """Whole lines of a file that is complete, chunk by chunk.

    `taken` counts the bytes of the lines given, those that were left out of a long one included.
    """

    content: IO[bytes]
    chunk_bytes: int
    lines: int = 0
    taken: int = 0
    _rest: bytes = b""
    _is_over: bool = False

    def read(self) -> bytes:
        """Give whole lines, about a chunk of them; nothing at the end.

        Of a line beyond the limit for documents just enough is kept to see that it is beyond.
        """
        parts, size = [self._rest], len(self._rest)
        self.taken += size
        self._rest = b""
        while not self._is_over:
            part = self.content.read(self.chunk_bytes)
            self._is_over = not part
            self.taken += len(part)
            cut = part.rfind(b"\n") + 1
            if cut:
                self._rest = part[cut:]
                self.taken -= len(self._rest)
                return b"".join([*parts, memoryview(part)[:cut]])
            if size <= MAX_DOCUMENT_BYTES:
                parts.append(part)
                size += len(part)
        return b"".join(parts)


def read_whole_lines(file: LogFile, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Give the content of a file in chunks of whole lines; raises LogError."""
    with _reading(file):
        content, raw = file.open()
    with raw:
        tail = Tail(content, chunk_bytes)
        while True:
            with _reading(file):
                chunk = tail.read()
            if not chunk:
                return
            yield chunk


@dataclass(slots=True)
class Partition:
    """One file in the course of being read."""

    file: LogFile
    decoder: PartitionDecoder
    chunk_bytes: int = CHUNK_BYTES
    watermark: int = START
    _tail: Tail | None = field(default=None)
    _raw: IO[bytes] | None = field(default=None)
    consumed: int = 0

    def peek(self) -> None:
        """Learn the earliest arrival the file can hold, so that later files are not read early."""
        with _reading(self.file):
            content, raw = self.file.open()
            with raw:
                first = content.read(PEEK_BYTES).split(b"\n", 1)[0]
        document = read_document(first)
        time = None if isinstance(document, Unreadable) else parse_time(document.get("received_at"))
        self.watermark = START if time is None else time.microseconds

    def read(self) -> Decoded | None:
        """Decode the next chunk; None at the end, which promises the end of time."""
        with _reading(self.file):
            if self._tail is None:
                content, self._raw = self.file.open()
                self._tail = Tail(content, self.chunk_bytes)
            chunk = self._tail.read()
        assert self._raw is not None
        self.consumed = self._raw.tell()
        if not chunk:
            self._raw.close()
            self.watermark = END
            return None
        lines = Lines.of(chunk)
        decoded = self.decoder.decode(lines, lines.numbered(self._tail.lines))
        self._tail.lines += len(lines)
        self.watermark = max(self.watermark, self.decoder.maximum)
        return decoded


class Lane:
    """Partitions that are read in turn, always the one that lags in arrival time."""

    def __init__(self, partitions: list[Partition]) -> None:
        """Take charge of the partitions."""
        self._partitions = partitions
        for partition in partitions:
            partition.peek()

    def watermark(self, stream: str) -> int:
        """Give the promise of all partitions of a stream; the end of time without any."""
        return min(
            (each.watermark for each in self._partitions if each.file.stream == stream), default=END
        )

    @property
    def consumed(self) -> int:
        """Bytes of files read so far."""
        return sum(each.consumed for each in self._partitions)

    def read(self) -> tuple[str, Decoded | None] | None:
        """Give the next chunk, or the stream one of whose files has ended; None when all have."""
        open_ones = [each for each in self._partitions if each.watermark != END]
        if not open_ones:
            return None
        laggard = min(open_ones, key=lambda each: (each.watermark, each.file.partition))
        return laggard.file.stream, laggard.read()
