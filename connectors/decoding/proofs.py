"""Vectorised proofs about columns of text, from the bytes of all rows at once.

They may be false too often, never true too often; rows without a proof go to the contract.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Ints, Mask, present

Bytes = npt.NDArray[np.uint8]
_HASH_LENGTH: Final = 64
_QUOTE: Final = ord('"')
_ID: Final = 256


def byte_table(characters: str) -> Mask:
    """Return a table that is true for the bytes of these characters."""
    table = np.zeros(256, dtype=bool)
    table[list(characters.encode())] = True
    return table


@dataclass(frozen=True, slots=True)
class Text:
    """A string column as its bytes: row i is `data[start[i]:start[i] + length[i]]`."""

    data: Bytes
    start: Ints
    length: Ints
    valid: Mask

    @classmethod
    def of(cls, column: pa.Array) -> "Text":
        """View an Arrow string array; nulls have length 0."""
        _, offsets, data = column.buffers()
        ends = np.frombuffer(offsets, dtype=np.int32)[column.offset :][: len(column) + 1]
        content = np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, dtype=np.uint8)
        valid = present(column) if column.null_count else np.ones(len(column), dtype=bool)
        length = np.where(valid, np.diff(ends), 0) if column.null_count else np.diff(ends)
        return cls(content, ends[:-1].astype(np.int64), length, valid)

    @classmethod
    def in_quotes(cls, column: pa.Array) -> "Text":
        """View the contents of JSON strings, as escaped as they are; anything else is not valid."""
        text = cls.of(column)
        filled = text.length > 0
        first = text.data[np.where(filled, text.start, 0)] if len(text.data) else filled
        is_string = filled & (first == _QUOTE)
        return cls(text.data, text.start + 1, np.where(is_string, text.length - 2, 0), is_string)

    def at(self, rows: Ints, position: int) -> Bytes:
        """Return byte `position` of rows that are longer than that."""
        return self.data[self.start[rows] + position]


def is_bounded(column: pa.Array, most: int) -> Mask:
    """Mark rows that are null, or JSON strings of at most so many bytes (so, of characters)."""
    text = Text.in_quotes(column)
    return (text.valid & (text.length <= most)) | ~present(column)


def is_plain(column: pa.Array, most: int = _ID) -> Mask:
    """Mark rows that are null, or JSON strings of 1 to `most` bytes that need no escapes."""
    text = Text.in_quotes(column)
    good = (text.valid & (text.length > 0) & (text.length <= most)) | ~present(column)
    if (text.data == ord("\\")).any():
        escaped = pc.match_substring(column, "\\").fill_null(False)  # noqa: FBT003
        good &= ~escaped.to_numpy(zero_copy_only=False)
    return good


def unquoted(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Return the contents of JSON strings, and a mask of those that are `is_plain`.

    A dictionary column is read once per distinct text, and stays a dictionary.
    """
    if isinstance(column, pa.DictionaryArray):
        texts, good = unquoted(column.dictionary)
        codes = column.indices.fill_null(len(good)).to_numpy(zero_copy_only=False)
        return pa.DictionaryArray.from_arrays(column.indices, texts), np.r_[good, True][codes]
    return pc.utf8_slice_codeunits(column, 1, -1), is_plain(column)


def without_bytes(column: pa.Array, table: Mask) -> Mask:
    """Mark rows without any byte that is true in the table."""
    text = Text.of(column)
    found = np.flatnonzero(table[text.data])
    ends = text.start + text.length
    return np.searchsorted(found, text.start) == np.searchsorted(found, ends)


def is_hash(column: pa.Array) -> Mask:
    """Mark rows that are null, or JSON strings of 64 lower-case hex digits."""
    text = Text.in_quotes(column)
    good = ~present(column)
    rows = np.flatnonzero(text.length == _HASH_LENGTH)
    digits = _matrix(text, rows, _HASH_LENGTH)
    good[rows] = _everywhere((digits - ord("0") <= 9) | (digits - ord("a") <= 5))  # noqa: PLR2004
    return good


def _everywhere(holds: Mask) -> Mask:
    """Mark rows whose elements are all true; tests all rows at once first, which is faster."""
    return np.ones(len(holds), dtype=bool) if holds.all() else np.asarray(holds.all(axis=1))


def instants(column: pa.Array) -> tuple[Ints, Mask]:
    """Read times in the common spellings of RFC 3339 as microseconds since 1970.

    `2026-04-26T14:30:00Z`, with 3 or 6 digits of a fraction, with `+hh:mm` for `Z`, the letters in
    either case. Returns the microseconds, and a mask of the rows that were read; other spellings,
    valid or not, are left to the contract.
    """
    text = Text.of(column)
    micros = np.zeros(len(column), dtype=np.int64)
    good = np.zeros(len(column), dtype=bool)
    for length in np.unique(text.length).tolist():
        if length not in _SPELLINGS:
            continue
        rows = np.flatnonzero(text.length == length)
        micros[rows], good[rows] = _read_instants(_matrix(text, rows, length), *_SPELLINGS[length])
    return micros, good


_CASE: Final = np.uint8(0x20)
"""The bit that distinguishes a lower-case letter from its capital."""

_MOST: Final = {"0": 9, "T": 0x20, "Z": 0x20}
"""By how much a character of a time, XORed with that of the pattern, may differ from it."""

_SPELLINGS: Final = {
    20: (0, False),
    24: (3, False),
    27: (6, False),
    25: (0, True),
    29: (3, True),
    32: (6, True),
}
"""By length of the text: digits of the fraction, and whether an offset replaces `Z`."""


def _matrix(text: Text, rows: Ints, length: int) -> Bytes:
    """Return the bytes of rows of equal length as a matrix; a view if they are contiguous."""
    if len(rows) and text.start[rows[-1]] - text.start[rows[0]] == length * (len(rows) - 1):
        first = int(text.start[rows[0]])
        return text.data[first : first + length * len(rows)].reshape(-1, length)
    return text.data[text.start[rows][:, None] + np.arange(length)]


def _read_instants(given: Bytes, fraction: int, has_offset: bool) -> tuple[Ints, Mask]:  # noqa: FBT001
    pattern = "0000-00-00T00:00:00" + ("." + "0" * fraction if fraction else "")
    zone = len(pattern)
    pattern += "+00:00" if has_offset else "Z"
    # The difference from the pattern is the digit; nothing else may differ.
    digit = given ^ np.frombuffer(pattern.encode(), dtype=np.uint8)
    most = np.array([_MOST.get(character, 0) for character in pattern], dtype=np.uint8)
    if has_offset:
        most[zone] = ord("+") ^ ord("-")
    good = _everywhere(digit <= most)
    for letter in (10,) if has_offset else (10, zone):
        good &= (digit[:, letter] & ~_CASE) == 0
    columns = np.ascontiguousarray(digit.T).astype(np.int32)
    year, month, day = (_number(columns[at]) for at in (slice(0, 4), slice(5, 7), slice(8, 10)))
    hour, minute, second = (_number(columns[at : at + 2]) for at in (11, 14, 17))
    good &= (hour <= 23) & (minute <= 59) & (second <= 59)  # noqa: PLR2004
    good &= (year >= 2) & (year <= 9998) & (month >= 1) & (month <= 12)  # noqa: PLR2004
    days, length = _months()
    month_at = np.minimum(year * 12 + month - 1, len(length) - 1) * good
    good &= (day >= 1) & (day <= length[month_at])
    seconds = (days[month_at] + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second
    if has_offset:
        good &= (given[:, zone] == ord("+")) | (given[:, zone] == ord("-"))
        ahead, minutes = _number(columns[zone + 1 : zone + 3]), _number(columns[zone + 4 :])
        good &= (ahead <= 23) & (minutes <= 59)  # noqa: PLR2004
        sign = np.where(given[:, zone] == ord("-"), -1, 1)
        seconds = seconds - sign * (ahead * 3_600 + minutes * 60)
    part = _number(columns[20 : 20 + fraction]) * 10 ** (6 - fraction) if fraction else 0
    return seconds * 1_000_000 + part, good


def _number(digits: Array) -> Array:
    value = digits[0]
    for digit in digits[1:]:
        value = value * 10 + digit
    return value


@cache
def _months() -> tuple[Array, Array]:
    """Return the first day (since 1970) and the length of each month of the years 0 to 9999."""
    months = np.arange("0000-01", "10000-02", dtype="datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64)
    return days[:-1], np.diff(days)


def fixed_point(column: pa.Array) -> tuple[Ints, Mask]:
    """Read plain numbers as millionths: up to 9 digits, a point, up to 6 digits; no sign.

    Returns the millionths, and a mask of the rows that were read; nulls are read as 0.
    """
    text = Text.of(column)
    micros = np.zeros(len(column), dtype=np.int64)
    decimals = np.full(len(column), -1)
    good = text.length <= _FIXED_POINT_LENGTH
    rows = np.flatnonzero(good & (text.length > 0))
    good &= (text.length > 0) | ~text.valid
    for position in range(_FIXED_POINT_LENGTH):
        rows = rows[text.length[rows] > position]
        byte = text.at(rows, position)
        digit, point = byte - ord("0"), byte == ord(".")
        good[rows[(digit > 9) & ~point | point & (decimals[rows] >= 0)]] = False  # noqa: PLR2004
        micros[rows] = np.where(point, micros[rows], micros[rows] * 10 + digit)
        decimals[rows] += (decimals[rows] >= 0) | point
    decimals = np.maximum(decimals, 0)
    good &= (decimals <= 6) & (text.length - decimals <= 10)  # noqa: PLR2004
    return micros * 10 ** np.maximum(6 - decimals, 0), good


_FIXED_POINT_LENGTH: Final = 16
