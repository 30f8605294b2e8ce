"""Names of key groups, chosen so that Bytewax distributes them evenly over its workers.

Bytewax sends a key to worker `hash(key) % workers`. The hash is Rust's default for strings:
SipHash-1-3 with zero keys over the bytes and a 0xff. With bare numbers as names, all of the first
four groups would go to one of two workers.
"""

from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Final

EVENLY: Final = 12
"""If the number of workers divides this, all get the same number of groups, or one more."""

_WORD: Final = (1 << 64) - 1


@cache
def key_of(group: int) -> str:
    """Name a group by its number, with leading zeros until the hash gives the wanted worker."""
    names = ("0" * zeros + str(group) for zeros in count())
    return next(name for name in names if _siphash13(name) % EVENLY == group % EVENLY)


def _siphash13(text: str) -> int:
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    for word in _words(text.encode() + b"\xff"):
        v[3] ^= word
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _words(data: bytes) -> Iterator[int]:
    """Yield words of eight bytes; the last byte of the last word is the length."""
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        yield int.from_bytes(padded[at : at + 8], "little")


def _round(v: list[int]) -> None:
    v[0] = (v[0] + v[1]) & _WORD
    v[1] = _rotated(v[1], 13) ^ v[0]
    v[0] = _rotated(v[0], 32)
    v[2] = (v[2] + v[3]) & _WORD
    v[3] = _rotated(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _WORD
    v[3] = _rotated(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _WORD
    v[1] = _rotated(v[1], 17) ^ v[2]
    v[2] = _rotated(v[2], 32)


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _WORD
