"""What a lane saves: the positions of its partitions, and their watermarks.

A long-running lane has thousands of idle partitions. They share one watermark, which follows the
clock, and a snapshot stores them as one compressed block that is rebuilt only after many changes.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec.structs import replace

from attribution.columnar.frames import START
from attribution.vocabulary import RAW_STREAMS
from connectors.dead_letters.limit import LimitState
from connectors.positions import Position


class PartitionState(msgspec.Struct, frozen=True, array_like=True):
    """One partition: its position, the latest arrival in it, and its watermark (us)."""

    stream: str
    position: Position
    maximum: int
    watermark: int


class LaneState(msgspec.Struct, frozen=True):
    """What a lane saves.

    `partitions` are by name; `watermarks` are those of the lane's streams (us); `refusals` is the
    state of the dead-letter limit; `idle` is the block of partitions that have long been idle.
    """

    partitions: dict[str, PartitionState] = {}
    watermarks: dict[str, int] = {}
    refusals: LimitState = {}
    idle: bytes = b""

    def all_partitions(self) -> dict[str, PartitionState]:
        """Return all partitions, idle ones included."""
        at_rest = {
            name: replace(each, watermark=self.watermarks.get(each.stream, START))
            for name, each in unpack(self.idle).items()
        }
        return at_rest | self.partitions


LOOSE_MAX: Final = 100
"""Idle partitions saved one by one before the block is rebuilt, which takes some milliseconds."""


@dataclass(slots=True)
class IdlePartitions:
    """The idle partitions, by stream and name, each with the latest arrival in it."""

    _maxima: dict[str, dict[str, int]] = field(
        default_factory=lambda: {stream: {} for stream in RAW_STREAMS}
    )
    _loose: dict[str, str] = field(default_factory=dict)
    _piece: bytes = b""

    def any_of(self, stream: str) -> bool:
        """Return whether any partition of a stream is idle."""
        return bool(self._maxima[stream])

    def add(self, stream: str, name: str, maximum: int) -> None:
        """Add a partition that has become idle."""
        self._maxima[stream][name] = maximum
        self._loose[name] = stream

    def take(self, stream: str, name: str) -> int | None:
        """Remove a partition, and return the latest arrival in it; None if it is not idle."""
        self._loose.pop(name, None)
        return self._maxima[stream].pop(name, None)

    def keep(
        self, position: Callable[[str], Position], watermark: int
    ) -> tuple[dict[str, PartitionState], bytes]:
        """Return what to save: some partitions one by one, and the block with the others.

        The block may still contain partitions that are no longer idle; their entries outside of it
        are newer and take precedence.
        """

        def state(stream: str, name: str) -> PartitionState:
            return PartitionState(stream, position(name), self._maxima[stream][name], watermark)

        if len(self._loose) > LOOSE_MAX:
            everything = {
                name: state(stream, name)
                for stream, names in self._maxima.items()
                for name in names
            }
            self._piece = zlib.compress(msgspec.msgpack.encode(everything), level=1)
            self._loose = {}
        return {name: state(stream, name) for name, stream in self._loose.items()}, self._piece


def unpack(block: bytes) -> dict[str, PartitionState]:
    """Return the partitions of a block."""
    return _BLOCK.decode(zlib.decompress(block)) if block else {}


_BLOCK: Final = msgspec.msgpack.Decoder(dict[str, PartitionState])
