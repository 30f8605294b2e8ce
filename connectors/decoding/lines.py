"""Chunks of documents: the positions of lines, and which of them are strict JSON.

DuckDB's JSON reader, which does the decoding, is lenient: it accepts NaN and trailing commas. So
msgspec first checks every chunk: it parses strictly, and skips values without building objects.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, Mask
from attribution.contract.document import MAX_DEPTH, MAX_DOCUMENT_BYTES
from connectors.decoding.proofs import Bytes

WHITESPACE: Final = b" \t\r"
"""The whitespace of JSON, of which a blank line may consist; Python's strip() removes more."""


class _Object(msgspec.Struct, gc=False):
    """An object without fields: reading it checks the syntax and skips the contents."""


_SYNTAX: Final = msgspec.json.Decoder(_Object)


@dataclass(frozen=True, slots=True)
class Lines:
    """Documents of one chunk: line i is `chunk[start[i]:start[i + 1]]`, its line feed included.

    A line of a file contains no other line feed, the last one may lack its own, and a blank line is
    not a record. Messages (`are_messages`) may contain any bytes, and each of them is a record.
    """

    chunk: bytes
    start: Ints
    are_messages: bool = False

    @classmethod
    def of(cls, chunk: bytes) -> "Lines":
        """Find the lines of a chunk."""
        feeds = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == ord("\n"))
        ends = feeds + 1 if chunk.endswith(b"\n") else np.r_[feeds + 1, len(chunk)]
        return cls(chunk, np.r_[0, ends])

    @classmethod
    def at_beginning(cls, chunk: bytes) -> "Lines":
        """Find the lines of the first chunk of a file, which may have a byte order mark."""
        return cls.of(chunk.removeprefix(BOM_UTF8) or b" ")

    @classmethod
    def of_documents(cls, documents: Sequence[bytes]) -> "Lines":
        """Combine documents as they were sent, one per line, whatever their contents."""
        lengths = np.fromiter(map(len, documents), dtype=np.int64, count=len(documents))
        chunk = b"\n".join([*documents, b""])
        return cls(chunk, np.r_[0, np.cumsum(lengths + 1)], are_messages=True)

    @classmethod
    def together(cls, parts: Sequence["Lines"]) -> "Lines":
        """Concatenate lines of one kind to one chunk."""
        if len(parts) == 1:
            return parts[0]
        chunks = [
            part.chunk if part.chunk.endswith(b"\n") else part.chunk + b"\n" for part in parts
        ]
        assert len({part.are_messages for part in parts}) == 1, "lines of files and messages"
        begins = np.cumsum([0, *map(len, chunks)])
        starts = [part.start[:-1] + at for part, at in zip(parts, begins, strict=False)]
        return cls(b"".join(chunks), np.r_[*starts, begins[-1]], parts[0].are_messages)

    def __len__(self) -> int:
        """Count the lines."""
        return len(self.start) - 1

    def __getitem__(self, row: int) -> bytes:
        """One line, without its line feed."""
        return self.chunk[self.start[row] : self.start[row + 1]].removesuffix(b"\n")

    def numbered(self, first: int) -> Ints:
        """Return the numbers of the lines from `first` on, which are their offsets in a file."""
        return np.arange(first, first + len(self))

    def is_record(self, row: int) -> bool:
        """Return whether a line counts: a blank one of a file does not."""
        return self.are_messages or bool(self[row].strip(WHITESPACE))

    def length(self) -> Ints:
        """Bytes per line."""
        return np.diff(self.start)

    def as_text(self, readable: Mask) -> pa.Array:
        """Return an Arrow array that views the chunk; null for lines that are not readable."""
        offsets = pa.py_buffer(self.start.astype(np.int32))
        buffers = [pa.array(readable).buffers()[1], offsets, pa.py_buffer(self.chunk)]
        return pa.Array.from_buffers(pa.string(), len(self), buffers)

    def shallow(self, asked: Mask, leaf_bytes: Ints) -> Mask:
        """Mark the `asked` lines that cannot nest deeper than the contract reads.

        `leaf_bytes` are the bytes per line that are known to contain no nesting brackets. Only a
        line with enough other bytes for such nesting is examined.
        """
        brackets = 2 * (MAX_DEPTH + 1)
        good = np.ones(len(self), dtype=bool)
        for row in np.flatnonzero(asked & (self.length() - leaf_bytes >= brackets)).tolist():
            good[row] = _is_shallow(self[row])
        return good

    def strict(self) -> Mask:
        """Mark the lines that begin as an object and are strictly valid JSON.

        A document that spans several lines is not detected; the JSON reader, which follows, reads
        each line separately. Surrogate escapes, and messages with line feeds, are left to the
        contract.
        """
        content = np.frombuffer(self.chunk, dtype=np.uint8)
        good = content[self.start[:-1]] == ord("{")
        good &= self.length() <= MAX_DOCUMENT_BYTES
        if self.are_messages:
            good[self._of_several_lines(content)] = False
        good[self._line_of(_surrogate_escapes(content))] = False
        beyond_ascii = np.unique(self._line_of(np.flatnonzero(content >= 0x80)))  # noqa: PLR2004
        good[[row for row in beyond_ascii.tolist() if not _is_utf8(self[row])]] = False
        for begin, end in _stretches(good):
            row = begin
            while row < end and (row := self._next_fault(row, end)) >= 0:
                good[row] = False
                row += 1
        return good

    def _line_of(self, place: Ints | int) -> Ints:
        return np.searchsorted(self.start, place, side="right") - 1

    def _of_several_lines(self, content: Bytes) -> Ints:
        feeds = np.flatnonzero(content == ord("\n"))
        row = self._line_of(feeds)
        return row[feeds + 1 != self.start[row + 1]]

    def _next_fault(self, row: int, end: int) -> int:
        """Return the first line from `row` to `end` with a syntax error; -1 if there is none."""
        rest = memoryview(self.chunk)[self.start[row] : self.start[end]]
        try:
            _SYNTAX.decode_lines(rest)
        except (msgspec.DecodeError, RecursionError) as error:
            return self._blame(row, end, str(error))
        return -1

    def _blame(self, row: int, end: int, message: str) -> int:
        """Find the faulty line of a failed read.

        The parser stops in the faulty line, or, if that one ends too early, in a line soon after
        it. If it reports no position, all lines are tried one by one.
        """
        place = _PLACE.search(message)
        stop = row
        if place:
            stop = int(self._line_of(int(self.start[row]) + int(place[1])))
        near = range(max(row, stop - _LOOK_BACK), min(stop + 1, end))
        faulty = (at for at in chain(near, range(row, end)) if not _is_strict(self[at]))
        return next(faulty, -1)


_LOOK_BACK: Final = 3
"""Lines before the one where parsing stopped that are tried first."""
_PIECE_BYTES: Final = 1 << 20
_PLACE: Final = re.compile(r"\(byte (\d+)\)$")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _stretches(good: Mask) -> list[tuple[int, int]]:
    """Return the beginning and end of each run of good lines."""
    edges = np.flatnonzero(np.diff(np.r_[False, good, False])).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _surrogate_escapes(content: Bytes) -> Ints:
    """Return the positions of escapes that may be half of a surrogate pair."""
    at = np.flatnonzero(content[:-3] == ord("\\"))
    at = at[content[at + 1] == ord("u")]
    return at[content[at + 2] | 0x20 == ord("d")]


def _is_shallow(line: bytes) -> bool:
    if line.count(b"{") + line.count(b"[") <= MAX_DEPTH:
        return True
    if b"\\" in line:
        return False
    quotes = depth = 0
    for text in _pieces(line):
        seen = quotes + np.cumsum(text == ord('"'), dtype=np.int32)
        outside = seen & 1 == 0
        # Each bracket differs from the corresponding brace by the same bit.
        opens, closes = text | 0x20 == ord("{"), text | 0x20 == ord("}")
        step = (opens & outside).astype(np.int8) - (closes & outside).astype(np.int8)
        reached = depth + np.cumsum(step, dtype=np.int32)
        if reached.max() > MAX_DEPTH:
            return False
        quotes, depth = int(seen[-1]), int(reached[-1])
    return True


def _pieces(line: bytes) -> Iterator[Bytes]:
    """Yield the line in pieces, because counting takes many times the memory of its input."""
    text = np.frombuffer(line, dtype=np.uint8)
    return (text[at : at + _PIECE_BYTES] for at in range(0, len(text), _PIECE_BYTES))


def _is_strict(line: bytes) -> bool:
    try:
        _SYNTAX.decode_lines(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
