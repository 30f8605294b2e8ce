"""Finds placeholders in columns: the vectorised form of `placeholders`, which checks one value.

Knows only columns. The pattern is slow, so it is applied only to values that begin and end like a
placeholder.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Array, Ints, Mask
from attribution.placeholders import BLANKS, HASHES, PATTERN
from attribution.vocabulary import PLACEHOLDER_WORDS
from connectors.decoding.proofs import Text

_WHOLE: Final = f'^"(?:{PATTERN})"$'
_HASHES: Final = pa.array(HASHES)
_HASH_LENGTH: Final = 64
_HEAD: Final = 4


def placeholders(column: pa.Array) -> Mask:
    """Mark the JSON strings that are placeholders for an identifier, if they need no escapes."""
    text = Text.in_quotes(column)
    found = text.valid & (text.length == 0)
    rows = np.flatnonzero(text.length > 0)
    first, last = text.at(rows, 0), text.data[text.start[rows] + text.length[rows] - 1]
    doubtful = _FIRST[first] & _LAST[last] | _BLANK[first] | _BLANK[last]
    hashes = np.flatnonzero(text.length[rows] == _HASH_LENGTH)
    doubtful[hashes] |= _starts_like_one(text, rows[hashes])
    rows = _without_plain_numbers(text, rows[doubtful])
    if len(rows):
        given = column.take(pa.array(rows))
        hashes = pc.ascii_lower(pc.utf8_trim(given, BLANKS + '"'))
        matched = pc.or_(
            pc.match_substring_regex(given, _WHOLE), pc.is_in(hashes, value_set=_HASHES)
        )
        found[rows] = matched.to_numpy(zero_copy_only=False)
    return found


def _without_plain_numbers(text: Text, rows: Ints) -> Ints:
    """Remove rows that begin with 1 or 2, not with 127 or 255, and are no hashes: addresses."""
    first, second = text.at(rows, 0), text.data[text.start[rows] + (text.length[rows] > 1)]
    kept = ~_NUMBER[first] | _SECOND[second] | (text.length[rows] == _HASH_LENGTH)
    return rows[kept]


def _starts_like_one(text: Text, rows: Ints) -> Mask:
    """Mark texts of the length of a hash that begin like the hash of a placeholder."""
    head: Array = np.zeros(len(rows), dtype=np.uint32)
    for position in range(_HEAD):
        # To lower case: the bit of lower-case letters is always set in digits.
        head = head << 8 | text.at(rows, position) | 0x20
    at = np.minimum(np.searchsorted(_HEADS, head), len(_HEADS) - 1)
    return np.asarray(_HEADS[at] == head)


def _bytes(characters: bytes) -> Mask:
    table = np.zeros(256, dtype=bool)
    table[list(characters)] = True
    return table


_ASCII_PUNCTUATION: Final = bytes(c for c in range(33, 127) if not chr(c).isalnum())
_WORD_STARTS: Final = "".join(word[:1] + word[:1].upper() for word in PLACEHOLDER_WORDS).encode()
_WORD_ENDS: Final = "".join(word[-1:] + word[-1:].upper() for word in PLACEHOLDER_WORDS).encode()
_FIRST: Final = _bytes(_WORD_STARTS + _ASCII_PUNCTUATION + b"12")
_LAST: Final = _bytes(_WORD_ENDS + _ASCII_PUNCTUATION + b"0123456789")
_NUMBER: Final = _bytes(b"12")
_SECOND: Final = _bytes(b"25")
_BLANK: Final = _bytes("".join(c for c in BLANKS if c.isascii()).encode() + bytes(range(128, 256)))
_HEADS: Final = np.array([int.from_bytes(h[:_HEAD].encode()) for h in HASHES], dtype=np.uint32)
_HEADS.sort()
