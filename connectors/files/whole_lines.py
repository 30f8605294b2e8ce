"""Reads whole lines of complete files by chunks, and decodes chunks of several files together.

Knows files and bytes; the decoder interprets the bytes.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Final

from attribution.contract.document import MAX_DOCUMENT_BYTES
from attribution.decoded import Decoded
from connectors.decoding.decoder import Next, decode_together
from connectors.files.folder import LogFile, reading

CHUNK_BYTES: Final = 8_000_000
"""Bytes decoded at once: a query costs about 1 ms whatever it reads, so chunks must be large."""

SMALLEST_PART: Final = 0.25
"""Share of a chunk; with less left, the chunk ends. A long line is not read in tiny pieces."""

UNPACKED_TIMES: Final = 32
"""Assumed ratio of unpacked to packed size; for logs it is about ten."""


@dataclass(slots=True)
class WholeLines:
    """The whole lines of a complete file, chunk by chunk.

    `taken` counts the bytes of the lines returned, including those cut from an overlong one.
    `is_over` once the end of the file has been seen.
    """

    content: IO[bytes]
    chunk_bytes: int
    lines: int = 0
    taken: int = 0
    is_over: bool = False
    _rest: bytes = b""

    def read(self) -> bytes:
        """Return whole lines, about a chunk of them; nothing at the end.

        A line beyond the document limit is cut to just enough to show that it is too long.
        """
        parts, size = [self._rest], len(self._rest)
        self.taken += size
        self._rest = b""
        while not self.is_over:
            part, self.is_over = self._next_part()
            self.taken += len(part)
            cut = part.rfind(b"\n") + 1
            if cut and not self.is_over:
                self._rest = part[cut:]
                self.taken -= len(self._rest)
                return b"".join([*parts, memoryview(part)[:cut]])
            if cut or size <= MAX_DOCUMENT_BYTES:
                parts.append(part)
                size += len(part)
        return b"".join(parts)

    def _next_part(self) -> tuple[bytes, bool]:
        """Read a chunk, and return whether it is the last: a small file takes one read."""
        part = self.content.read(self.chunk_bytes)
        while part and len(part) < self.chunk_bytes:
            more = self.content.read(self.chunk_bytes - len(part))
            if not more:
                return part, True
            part += more
        return part, not part


def read_whole_lines(file: LogFile, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield the content of a file in chunks of whole lines; raises LogError."""
    with reading(file):
        content, raw = file.open()
    with raw:
        tail = WholeLines(content, min(chunk_bytes, size_at_most(file, raw)))
        while True:
            with reading(file):
                chunk = tail.read()
            if not chunk:
                return
            yield chunk


def decode_in_turn(nexts: Iterable[Next], chunk_bytes: int = CHUNK_BYTES) -> Iterator[Decoded]:
    """Decode lines in order, a chunk at once, from any number of partitions."""
    batch: list[Next] = []
    left = chunk_bytes
    for each in nexts:
        size = len(each.lines.chunk)
        if batch and (size > left or not _may_follow(batch[-1], each)):
            yield decode_together(batch)
            batch, left = [], chunk_bytes
        batch.append(each)
        left -= size
        if left < chunk_bytes * SMALLEST_PART:  # before the next part is read into memory
            yield decode_together(batch)
            batch, left = [], chunk_bytes
    if batch:
        yield decode_together(batch)


def _may_follow(before: Next, each: Next) -> bool:
    """Return whether both may share a chunk: one stream, and no partition twice."""
    return before.decoder is not each.decoder and before.decoder.stream == each.decoder.stream


def size_at_most(file: LogFile, raw: IO[bytes]) -> int:
    """Return how many bytes to read of an open file at once, all of which are allocated.

    A packed file with more content takes more reads.
    """
    size = os.fstat(raw.fileno()).st_size
    return size * UNPACKED_TIMES + 1 if file.is_packed else size + 1
