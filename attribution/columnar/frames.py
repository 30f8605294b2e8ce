"""The messages between steps: frames of rows, each with the watermark of its origin."""

from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

START: Final = -(2**63)
"""The watermark before anything was read."""
END: Final = 2**63 - 1
"""The watermark of a finished origin: nothing follows."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows from one origin to one port, by name; empty if only the watermark moved."""

    port: str
    origin: int
    watermark: int
    rows: dict[str, pa.RecordBatch]


class Watermarks:
    """The watermarks of all origins of a step; the step's own is their minimum."""

    def __init__(self, origins: dict[str, int]) -> None:
        """Start at `START`; `origins` is the number of origins of each port."""
        self._of = {port: [START] * count for port, count in origins.items()}

    def observe(self, frame: Frame) -> None:
        """Record an origin's watermark, which never moves back."""
        held = self._of[frame.port]
        held[frame.origin] = max(held[frame.origin], frame.watermark)

    @property
    def held(self) -> dict[str, list[int]]:
        """The watermarks of all origins, by port."""
        return {port: list(held) for port, held in self._of.items()}

    def restore(self, held: dict[str, list[int]]) -> None:
        """Restore what `held` returned."""
        self._of = {port: list(watermarks) for port, watermarks in held.items()}

    @property
    def low(self) -> int:
        """The step's watermark."""
        return min(min(held) for held in self._of.values())


DEAD_LETTERS: Final = "dead_letters"
"""The table of refused documents in a `DecodedChunk`; it is not written to the database."""


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """One decoded chunk, as a lane passes it to the flow.

    `watermark` is the minimum over the partitions of `stream` that `lane` reads. `rows` go to the
    keyed steps: `unique` (to be counted once) and, for impressions, `clicks` and `views` (one row
    per match key). `tables` are finished rows, by table; `records` counts documents.
    """

    stream: str
    lane: int
    watermark: int
    rows: dict[str, pa.RecordBatch]
    tables: dict[str, pa.RecordBatch]
    records: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Finished rows by table, for the sink.

    `records` counts the documents read for them; `watermarks` are those of the origins, by (stream
    or step, number).
    """

    tables: dict[str, pa.RecordBatch]
    records: int = 0
    watermarks: dict[tuple[str, int], int] = field(default_factory=dict)
