"""What is kept of a lane: where its partitions go on, and what was promised of them."""

from typing import Final

from connectors.dead_letters.limit import Kept
from connectors.intake import Position
from connectors.resting import unpack

Snapshot = tuple[str, int, dict[str, tuple[str, Position, int, int]], dict[str, int], Kept, bytes]
"""`lane`, version, (stream, position, maximum, watermark) by partition, promise by stream, what the
limit of dead letters remembers, and of the partitions at rest those that have not changed for a
while (`connectors.resting`)."""

VERSION: Final = 2

NEW: Final[Snapshot] = ("lane", VERSION, {}, {}, {}, b"")
"""Of a lane that has not read anything."""


def partitions_of(snapshot: Snapshot) -> dict[str, tuple[str, Position, int, int]]:
    """Give (stream, position, maximum, watermark) by partition, of those at rest too."""
    _, _, others, promised, _, piece = snapshot
    at_rest = {
        name: (stream, position, maximum, promised[stream])
        for stream, name, position, maximum in unpack(piece)
    }
    return at_rest | others
