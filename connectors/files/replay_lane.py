"""The complete files of one lane: the lane always reads the one that lags in arrival time.

Threads decode the next chunks of a large file while earlier ones are processed. Arrivals are
assigned later, in order, so the result is the same with any number of threads.
"""

from codecs import BOM_UTF8
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import IO, Final

from attribution.columnar.frames import END, START
from attribution.contract.document import Unreadable, read_document
from attribution.contract.times import parse_time
from attribution.decoded import Decoded
from connectors.decoding.chunk import Chunk
from connectors.decoding.clock_skew import limit_of
from connectors.decoding.decoder import (
    Next,
    PartitionDecoder,
    arrange,
    decode_together,
    read_chunk,
)
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
    ahead: deque[tuple[Next, Future[Chunk]]] = field(default_factory=deque)
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
        """Advance the watermark, once the lines before those `ahead` are decoded."""
        is_over = self.is_over and not self.ahead
        self.watermark = END if is_over else max(self.watermark, self.decoder.maximum)


class Lane:
    """Partitions of which those that lag in arrival time are read next."""

    def __init__(
        self, partitions: list[Partition], chunk_bytes: int = CHUNK_BYTES, threads: int = 0
    ) -> None:
        """Read the partitions; `chunk_bytes` are decoded at once, in advance with any `threads`."""
        self._chunk_bytes = chunk_bytes
        self._open: dict[str, list[Partition]] = defaultdict(list)
        self._threads = ThreadPoolExecutor(threads) if threads else None
        self._left = threads
        self.consumed = 0
        for partition in partitions:
            partition.peek()
            heappush(self._open[partition.file.stream], partition)

    def close(self) -> None:
        """End the threads; what they have decoded is lost."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

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
        decoded: Decoded | None
        if laggard.ahead:
            taken, decoded = [heappop(self._open[stream])], self._await(laggard)
        else:
            taken, nexts = self._take(self._open[stream])
            decoded = decode_together(nexts) if nexts else None
        self._decode_ahead(taken[0])
        for each in taken:
            each.move_on()
            if each.watermark != END:
                heappush(self._open[stream], each)
        return stream, decoded

    def _take(self, laggards: list[Partition]) -> tuple[list[Partition], list[Next]]:
        """Take lines of one partition after another, until they are nearly a chunk."""
        taken, nexts, left = [], [], self._chunk_bytes
        while laggards and left >= self._chunk_bytes * SMALLEST_PART and not laggards[0].ahead:
            each = heappop(laggards)
            taken.append(each)
            lines = self._lines_of(each, left)
            if lines is not None:
                nexts.append(lines)
                left -= len(lines.lines.chunk)
        return taken, nexts

    def _lines_of(self, partition: Partition, limit: int) -> Next | None:
        before = partition.consumed
        lines = partition.take(limit)
        self.consumed += partition.consumed - before
        return lines

    def _decode_ahead(self, partition: Partition) -> None:
        """Let the threads that have nothing to do decode the next chunks of a partition."""
        while self._threads is not None and self._left and not partition.is_over:
            lines = self._lines_of(partition, self._chunk_bytes)
            if lines is not None:
                partition.ahead.append((lines, self._threads.submit(read_chunk, [lines])))
                self._left -= 1

    def _await(self, partition: Partition) -> Decoded:
        lines, chunk = partition.ahead.popleft()
        self._left += 1
        return arrange([lines], chunk.result())
