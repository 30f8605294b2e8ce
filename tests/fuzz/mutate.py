"""Lines of a raw stream with faults in them, reproducible by seed.

Knows bytes and the places of JSON values in them; what a line means is not its business.
"""

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

from tests.support.spoiled import FAULTS, ODD_LINES, VALUES

SOUND_SHARES: Final = (0.5, 0.9, 0.99)
"""How many lines stay as they are. Many faults reach deep; few leave each of them alone among sound
lines, where nothing near it leads a reader to look more closely."""

ALONE_SHARE: Final = 0.3
"""How often one record alone is broken, far behind the first: readers that look at a sample, or
read on in vectors, report it in another way."""

FAULTS_MAX: Final = 3
"""Faults in one line."""

_SCALAR: Final = re.compile(rb'"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+-]*|true|false|null')
_KEY: Final = re.compile(rb'"(?:[^"\\]|\\.)*"(?=\s*:)')
_STRUCTURE: Final = re.compile(rb"[{}\[\],:]")

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
"""Takes a line and the sound lines of both streams, and returns the line with a fault."""


def mutated(chance: random.Random, sound: Sequence[bytes], pool: Sequence[bytes]) -> list[bytes]:
    """Return the lines with faults in some of them; a line may have become several."""
    if chance.random() < ALONE_SHARE:
        return _one_broken(chance, sound, pool)
    lines: list[bytes] = []
    share = chance.choice(SOUND_SHARES)
    for line in sound:
        if chance.random() < share:
            lines.append(line)
            continue
        faulty = line
        for _ in range(chance.randint(1, FAULTS_MAX)):
            faulty = chance.choice(MUTATIONS)(chance, faulty, pool)
        lines.append(faulty)
    return lines


def _one_broken(
    chance: random.Random, sound: Sequence[bytes], pool: Sequence[bytes]
) -> list[bytes]:
    lines = list(sound)
    at = chance.randrange(len(lines) * 2 // 3, len(lines))
    lines[at] = chance.choice((_spread, _spread_object))(chance, lines[at], pool)
    return lines


def _flip(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del pool
    changed = bytearray(line or b" ")
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del pool
    begin, end = _span(chance, line)
    return line[:begin] + line[end:]


def _cut_off(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del pool
    return line[: chance.randint(0, len(line))]


def _double(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del pool
    begin, end = _span(chance, line)
    return line[:end] + line[begin:]


def _splice(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    other = chance.choice(pool)
    return line[: chance.randint(0, len(line))] + other[chance.randint(0, len(other)) :]


def _join(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    return line + chance.choice((b"", b" ", b",")) + chance.choice(pool)


def _replace_scalar(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del pool
    return _replaced(chance, line, _SCALAR, chance.choice(VALUES))


def _replace_by_fault(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del pool
    return _replaced(chance, line, _SCALAR, chance.choice(FAULTS))


def _swap_key(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    keys = _KEY.findall(chance.choice(pool)) or [b'"a"']
    return _replaced(chance, line, _KEY, chance.choice(keys))


def _spread(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    """Break the line, mostly where white space would be allowed."""
    del pool
    places = [found.end() for found in _STRUCTURE.finditer(line)]
    if not places or chance.random() < 0.2:
        places = [chance.randint(0, len(line))]
    at = chance.choice(places)
    return line[:at] + chance.choice((b"\n", b"\r\n", b"\n\n", b"\r")) + line[at:]


def _spread_object(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    """Break the line before an object in it: together, the two lines are still JSON."""
    del pool
    places = [found.start() for found in re.finditer(rb"(?<=[:\[,])\{", line)]
    at = chance.choice(places or [0])
    return line[:at] + b"\n" + line[at:]


def _odd_line(chance: random.Random, line: bytes, pool: Sequence[bytes]) -> bytes:
    del line, pool
    return chance.choice(ODD_LINES)


MUTATIONS: Final[Sequence[Mutation]] = (
    _flip,
    _cut,
    _cut_off,
    _double,
    _splice,
    _join,
    *[_replace_scalar] * 6,  # these reach deepest: most of what they make is still JSON
    *[_replace_by_fault] * 2,
    *[_swap_key] * 2,
    *[_spread] * 2,
    _spread_object,
    _odd_line,
)


def _span(chance: random.Random, line: bytes) -> tuple[int, int]:
    begin = chance.randint(0, len(line))
    return begin, min(len(line), begin + chance.randint(1, 40))


def _replaced(
    chance: random.Random, line: bytes, pattern: re.Pattern[bytes], value: bytes
) -> bytes:
    found = list(pattern.finditer(line))
    if not found:
        return line + value
    place = chance.choice(found)
    return line[: place.start()] + value + line[place.end() :]
