"""What a lane saves: where its partitions go on, and their watermarks.

A long-running lane has thousands of idle partitions. They share one watermark, the clock's, and a
snapshot stores them as one compressed block, which is made anew only when many have changed.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from attribution.vocabulary import STREAMS
from connectors.dead_letters.limit import LimitState
from connectors.intake import Position

LaneState = tuple[
    str, int, dict[str, tuple[str, Position, int, int]], dict[str, int], LimitState, bytes
]
"""`lane`, version, (stream, position, maximum, watermark) by partition, promise by stream, what the
limit of dead letters remembers, and of the partitions at rest those that have not changed for a
while (`connectors.lanes.snapshot`)."""

VERSION: Final = 2

NEW: Final[LaneState] = ("lane", VERSION, {}, {}, {}, b"")
"""Of a lane that has not read anything."""


def partitions_of(snapshot: LaneState) -> dict[str, tuple[str, Position, int, int]]:
    """Return (stream, position, maximum, watermark) by partition, of those at rest too."""
    _, _, others, promised, _, piece = snapshot
    at_rest = {
        name: (stream, position, maximum, promised[stream])
        for stream, name, position, maximum in unpack(piece)
    }
    return at_rest | others


LOOSE_MAX: Final = 100
"""Partitions that came to rest and are not in the piece yet: to make it takes some milliseconds."""

IdlePartition = tuple[str, str, Position, int]
"""Stream, name, position and maximum of a partition."""


@dataclass(slots=True)
class IdlePartitions:
    """The partitions at rest, by stream and name, each with the latest arrival in it."""

    _maxima: dict[str, dict[str, int]] = field(
        default_factory=lambda: {stream: {} for stream in STREAMS}
    )
    _loose: dict[str, str] = field(default_factory=dict)
    _piece: bytes = b""

    def any_of(self, stream: str) -> bool:
        """Return whether any partition of a stream is at rest."""
        return bool(self._maxima[stream])

    def add(self, stream: str, name: str, maximum: int) -> None:
        """Let a partition rest."""
        self._maxima[stream][name] = maximum
        self._loose[name] = stream

    def take(self, stream: str, name: str) -> int | None:
        """Wake a partition, and give its maximum; None if it is not at rest."""
        self._loose.pop(name, None)
        return self._maxima[stream].pop(name, None)

    def keep(self, position: Callable[[str], Position]) -> tuple[list[IdlePartition], bytes]:
        """Return what has to be kept: some partitions one by one, and the piece with the others.

        The piece also names partitions that have been woken since; what is known of them otherwise
        is newer.
        """
        if len(self._loose) > LOOSE_MAX:
            everything = [
                (stream, name, position(name), maximum)
                for stream, maxima in self._maxima.items()
                for name, maximum in maxima.items()
            ]
            self._piece = zlib.compress(msgspec.msgpack.encode(everything), level=1)
            self._loose = {}
        loose = [
            (stream, name, position(name), self._maxima[stream][name])
            for name, stream in self._loose.items()
        ]
        return loose, self._piece


def unpack(piece: bytes) -> Iterator[IdlePartition]:
    """Yield the partitions of a piece."""
    if piece:
        for stream, name, position, maximum in msgspec.msgpack.decode(zlib.decompress(piece)):
            yield stream, name, tuple(position), maximum
