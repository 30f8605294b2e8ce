"""What a lane saves: where its partitions go on, and their watermarks.

A long-running lane has thousands of idle partitions. They share one watermark, the clock's, and a
snapshot stores them as one compressed block, which is made anew only when many have changed.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from attribution.vocabulary import STREAMS
from connectors.dead_letters.limit import LimitState
from connectors.positions import Position


class PartitionState(msgspec.Struct, frozen=True, array_like=True):
    """One partition: where to go on, the latest arrival in it, and its watermark (us)."""

    stream: str
    position: Position
    maximum: int
    watermark: int


class LaneState(msgspec.Struct, frozen=True):
    """What a lane saves.

    `partitions` are by name; `watermarks` those of the lane's streams (us); `refusals` what the
    limit of dead letters remembers; `idle` the block of idle partitions that have not changed for
    a while.
    """

    partitions: dict[str, PartitionState] = {}
    watermarks: dict[str, int] = {}
    refusals: LimitState = {}
    idle: bytes = b""

    def all_partitions(self) -> dict[str, PartitionState]:
        """Return all partitions, idle ones included."""
        at_rest = {
            each.name: PartitionState(
                each.stream, each.position, each.maximum, self.watermarks[each.stream]
            )
            for each in unpack(self.idle)
        }
        return at_rest | self.partitions


LOOSE_MAX: Final = 100
"""Partitions that came to rest and are not in the piece yet: to make it takes some milliseconds."""


class IdlePartition(msgspec.Struct, frozen=True, array_like=True):
    """An idle partition: its position and the latest arrival in it (us)."""

    stream: str
    name: str
    position: Position
    maximum: int


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
                IdlePartition(stream, name, position(name), maximum)
                for stream, maxima in self._maxima.items()
                for name, maximum in maxima.items()
            ]
            self._piece = zlib.compress(msgspec.msgpack.encode(everything), level=1)
            self._loose = {}
        loose = [
            IdlePartition(stream, name, position(name), self._maxima[stream][name])
            for name, stream in self._loose.items()
        ]
        return loose, self._piece


def unpack(block: bytes) -> list[IdlePartition]:
    """Return the partitions of a block."""
    return _BLOCK.decode(zlib.decompress(block)) if block else []


_BLOCK: Final = msgspec.msgpack.Decoder(list[IdlePartition])
