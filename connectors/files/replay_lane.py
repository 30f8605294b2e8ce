"""The complete files of one lane: the lane always reads the one that lags in arrival time."""

from codecs import BOM_UTF8
from collections import defaultdict
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import IO, Final

from attribution.columnar.frames import END, START
from attribution.contract.document import Unreadable, read_document
from attribution.contract.times import parse_time
from attribution.decoded import Decoded
from connectors.decoding.clock_skew import limit_of
from connectors.decoding.decoder import Next, PartitionDecoder, decode_together
from connectors.decoding.lines import Lines
from connectors.files.folder import LogFile, reading
from connectors.files.whole_lines import CHUNK_BYTES, SMALLEST_PART, WholeLines, size_at_most

PEEK_BYTES: Final = 1_000_000
"""Bytes read to find the first arrival of a file."""


@dataclass(slots=True, eq=False)
class Partition:
    """One file that is being read; `read_at` is the clock time of the replay.

    `consumed` counts the bytes read from disk, packed or not.
    """

    file: LogFile
    decoder: PartitionDecoder
    read_at: int = END
    watermark: int = START
    consumed: int = 0
    is_over: bool = False
    _tail: WholeLines | None = None
    _raw: IO[bytes] | None = None

    def __lt__(self, other: "Partition") -> bool:
        """Return whether this file lags behind another in arrival time."""
        mine, its = self.file.partition, other.file.partition
        return (self.watermark, mine) < (other.watermark, its)

    def peek(self) -> None:
        """Find the earliest arrival the file can contain, so that later files wait for it."""
        with reading(self.file):
            content, raw = self.file.open()
            with raw:
                size = min(PEEK_BYTES, size_at_most(self.file, raw))
                first = content.read(size).removeprefix(BOM_UTF8).split(b"\n", 1)[0]
        document = read_document(first)
        time = None if isinstance(document, Unreadable) else parse_time(document.get("received_at"))
        arrived = START if time is None else time.microseconds
        limit = limit_of(self.read_at, self.decoder.policy.clock_skew)
        self.watermark = arrived if arrived <= limit else START

    def take(self, limit: int) -> Next | None:
        """Read the next lines, up to `limit` bytes, at least one; None without any."""
        with reading(self.file):
            if self._tail is None:
                content, self._raw = self.file.open()
                self._tail = WholeLines(content, limit)
            assert self._raw is not None
            self._tail.chunk_bytes = min(limit, size_at_most(self.file, self._raw))
            chunk, first = self._tail.read(), self._tail.lines
        lines = (Lines.of if first else Lines.at_beginning)(chunk) if chunk else None
        self._tail.lines += len(lines or ())
        self.consumed = self._raw.tell()
        if self._tail.is_over:  # close it at once: thousands of small files may be read together
            self._raw.close()
            self._tail, self.is_over = None, True
        return None if lines is None else self._next(lines, first)

    def _next(self, lines: Lines, first: int) -> Next:
        return Next(self.decoder, lines, lines.numbered(first), read_at=self.read_at)

    def move_on(self) -> None:
        """Advance the watermark, once the lines taken are decoded."""
        self.watermark = END if self.is_over else max(self.watermark, self.decoder.maximum)


class Lane:
    """Partitions of which those that lag in arrival time are read next."""

    def __init__(self, partitions: list[Partition], chunk_bytes: int = CHUNK_BYTES) -> None:
        """Read the partitions; `chunk_bytes` are decoded at once."""
        self._chunk_bytes = chunk_bytes
        self._open: dict[str, list[Partition]] = defaultdict(list)
        self.consumed = 0
        for partition in partitions:
            partition.peek()
            heappush(self._open[partition.file.stream], partition)

    def watermark(self, stream: str) -> int:
        """Return the watermark of a stream; the end of time without partitions."""
        laggards = self._open[stream]
        return laggards[0].watermark if laggards else END

    def read(self) -> tuple[str, Decoded | None] | None:
        """Return the next chunk, or only the stream if its files have ended; None if all have.

        A chunk belongs to the stream that lags. It is filled from the partitions that lag most,
        because decoding a few lines costs as much as decoding many.
        """
        if not any(self._open.values()):
            return None
        laggard = min(each[0] for each in self._open.values() if each)
        stream = laggard.file.stream
        taken, nexts = self._take(self._open[stream])
        decoded = decode_together(nexts) if nexts else None
        for each in taken:
            each.move_on()
            if each.watermark != END:
                heappush(self._open[stream], each)
        return stream, decoded

    def _take(self, laggards: list[Partition]) -> tuple[list[Partition], list[Next]]:
        """Take lines of one partition after another, until they are nearly a chunk."""
        taken, nexts, left = [], [], self._chunk_bytes
        while laggards and left >= self._chunk_bytes * SMALLEST_PART:
            each = heappop(laggards)
            taken.append(each)
            before = each.consumed
            lines = each.take(left)
            self.consumed += each.consumed - before
            if lines is not None:
                nexts.append(lines)
                left -= len(lines.lines.chunk)
        return taken, nexts
