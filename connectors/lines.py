"""Chunks of NDJSON: where the lines are, and which of them are strict JSON.

DuckDB's JSON reader, which does the decoding, is lenient: it takes NaN and trailing commas. So
every chunk first passes msgspec, which reads strictly and skips without building anything.
"""

import re
from dataclasses import dataclass
from itertools import chain
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from attribution.columns import Ints, Mask
from attribution.contract.document import MAX_DEPTH, MAX_DOCUMENT_BYTES
from attribution.texts import Bytes

WHITESPACE: Final = b" \t\r"
"""What JSON ignores and a line may consist of; Python strips more."""


class _Object(msgspec.Struct, gc=False):
    """An object none of whose fields are wanted: reading it checks its syntax and skips."""


_SYNTAX: Final = msgspec.json.Decoder(_Object)


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one chunk; the last one may lack its line feed.

    `first` is the number of the first line in its partition; line i is
    `chunk[start[i]:start[i + 1]]`, its line feed included.
    """

    chunk: bytes
    start: Ints
    first: int

    @classmethod
    def of(cls, chunk: bytes, *, first: int) -> "Lines":
        """Find the lines of a chunk."""
        feeds = np.flatnonzero(np.frombuffer(chunk, dtype=np.uint8) == ord("\n"))
        ends = feeds + 1 if chunk.endswith(b"\n") else np.r_[feeds + 1, len(chunk)]
        return cls(chunk, np.r_[0, ends], first)

    def __len__(self) -> int:
        """Count the lines."""
        return len(self.start) - 1

    def __getitem__(self, row: int) -> bytes:
        """One line, without its line feed."""
        return self.chunk[self.start[row] : self.start[row + 1]].removesuffix(b"\n")

    def length(self) -> Ints:
        """Bytes per line."""
        return np.diff(self.start)

    def as_text(self, readable: Mask) -> pa.Array:
        """Give an Arrow array over the chunk itself, null where a line is not readable."""
        offsets = pa.py_buffer(self.start.astype(np.int32))
        buffers = [pa.array(readable).buffers()[1], offsets, pa.py_buffer(self.chunk)]
        return pa.Array.from_buffers(pa.string(), len(self), buffers)

    def shallow(self, asked: Mask, leaf_bytes: Ints) -> Mask:
        """Mark the asked lines that cannot nest deeper than the contract reads.

        `leaf_bytes` are bytes per line that are known to hold no brackets of nesting. Only a line
        with enough other bytes for all those brackets is looked into.
        """
        brackets = 2 * (MAX_DEPTH + 1)
        good = np.ones(len(self), dtype=bool)
        for row in np.flatnonzero(asked & (self.length() - leaf_bytes >= brackets)).tolist():
            good[row] = _is_shallow(self[row])
        return good

    def strict(self) -> Mask:
        """Give the lines that begin as an object and that no reader of JSON can fail on.

        A document that goes over several lines is not noticed: the reader that follows takes each
        line for itself. Lines with surrogate escapes are left to the contract.
        """
        content = np.frombuffer(self.chunk, dtype=np.uint8)
        good = content[self.start[:-1]] == ord("{")
        good &= self.length() <= MAX_DOCUMENT_BYTES
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

    def _next_fault(self, row: int, end: int) -> int:
        """Give the first of the lines from `row` to `end` that breaks the syntax; -1 if none."""
        rest = memoryview(self.chunk)[self.start[row] : self.start[end]]
        try:
            _SYNTAX.decode_lines(rest)
        except (msgspec.DecodeError, RecursionError) as error:
            return self._blame(row, end, str(error))
        return -1

    def _blame(self, row: int, end: int, message: str) -> int:
        """Find the faulty line of a failed read.

        The reader stops where it is sure: in the faulty line, or, when that one ends too early, in
        a line soon after it. Where it does not say, all lines are tried one by one.
        """
        place = _PLACE.search(message)
        stop = row
        if place:
            stop = int(self._line_of(int(self.start[row]) + int(place[1])))
        near = range(max(row, stop - _LOOK_BACK), min(stop + 1, end))
        faulty = (at for at in chain(near, range(row, end)) if not _is_strict(self[at]))
        return next(faulty, -1)


_LOOK_BACK: Final = 3
"""Lines that are tried before the one where reading stopped, before all are."""
_PLACE: Final = re.compile(r"\(byte (\d+)\)$")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _stretches(good: Mask) -> list[tuple[int, int]]:
    """Give the begin and end of each stretch of good lines."""
    edges = np.flatnonzero(np.diff(np.r_[False, good, False])).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _surrogate_escapes(content: Bytes) -> Ints:
    """Find what may be half of a surrogate pair, written as an escape."""
    at = np.flatnonzero(content[:-3] == ord("\\"))
    at = at[content[at + 1] == ord("u")]
    return at[content[at + 2] | 0x20 == ord("d")]


def _is_shallow(line: bytes) -> bool:
    if line.count(b"{") + line.count(b"[") <= MAX_DEPTH:
        return True
    if b"\\" in line:
        return False
    text = np.frombuffer(line, dtype=np.uint8)
    outside = np.cumsum(text == ord('"'), dtype=np.int32) & 1 == 0
    # Either bracket differs from its brace by the same bit.
    opens, closes = text | 0x20 == ord("{"), text | 0x20 == ord("}")
    step = (opens & outside).astype(np.int8) - (closes & outside).astype(np.int8)
    return bool(np.cumsum(step, dtype=np.int32).max() <= MAX_DEPTH)


def _is_strict(line: bytes) -> bool:
    try:
        _SYNTAX.decode_lines(line)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
