"""Random draws without a generator: each is an integer hash of (seed, purpose, number).

So the fields of a record can be drawn again for its copy, no state passes between blocks, and a
seed gives the same bytes on every machine.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Bits: TypeAlias = npt.NDArray[np.uint64]

# The constants of splitmix64. It is one-to-one: different numbers never draw the same bits.
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_HALF: Final = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Draws:
    """The only source of randomness in a log, by seed."""

    seed: int

    def bits(self, purpose: str, numbers: Ints) -> Bits:
        """Draw 64 bits for each number; no two numbers get the same for one purpose."""
        mixed = numbers.astype(np.uint64) * _STEP + _key(self.seed, purpose)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        return mixed ^ (mixed >> np.uint64(31))

    def below(self, purpose: str, numbers: Ints, limit: int | Ints) -> Ints:
        """Draw a whole number in [0, limit) for each number; limits stay below 2**32."""
        high = self.bits(purpose, numbers) >> _HALF
        return ((high * np.asarray(limit).astype(np.uint64)) >> _HALF).astype(np.int64)

    def chance(self, purpose: str, numbers: Ints, share: float) -> Flags:
        """Return true for this share (0 to 1) of the numbers."""
        return (self.bits(purpose, numbers) >> _HALF) < np.uint64(round(share * 2**32))

    def pick(self, purpose: str, numbers: Ints, weights: tuple[int, ...]) -> Ints:
        """Draw a position in `weights`, with probability proportional to its weight."""
        bounds = np.cumsum(weights)
        drawn = self.below(purpose, numbers, int(bounds[-1]))
        return np.searchsorted(bounds, drawn, side="right").astype(np.int64)

    def hexes(self, purpose: str, numbers: Ints) -> list[str]:
        """Draw 16 hex digits for each number."""
        text = self.bits(purpose, numbers).astype(">u8").tobytes().hex()
        return [text[at : at + 16] for at in range(0, len(text), 16)]


@lru_cache(maxsize=1024)
def _key(seed: int, purpose: str) -> np.uint64:
    digest = blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "big"))
