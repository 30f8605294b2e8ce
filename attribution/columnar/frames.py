"""What travels between the steps: frames of rows, each with the watermark of its origin."""

from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

START: Final = -(2**63)
"""The watermark before anything was read."""
END: Final = 2**63 - 1
"""The end of time: a finished origin's promise that nothing follows."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows of one port from one origin, by name; none where only the watermark moved."""

    port: str
    origin: int
    watermark: int
    rows: dict[str, pa.RecordBatch]


class Watermarks:
    """The minimum over the origins of every port of a step."""

    def __init__(self, origins: dict[str, int]) -> None:
        """Start below everything; `origins` gives the number of origins of each port."""
        self._of = {port: [START] * count for port, count in origins.items()}

    def observe(self, frame: Frame) -> None:
        """Note an origin's promise; a promise is never taken back."""
        held = self._of[frame.port]
        held[frame.origin] = max(held[frame.origin], frame.watermark)

    @property
    def held(self) -> dict[str, list[int]]:
        """The watermarks of all origins, by port."""
        return {port: list(held) for port, held in self._of.items()}

    def restore(self, held: dict[str, list[int]]) -> None:
        """Go on from what `held` returned."""
        self._of = {port: list(watermarks) for port, watermarks in held.items()}

    @property
    def low(self) -> int:
        """The step's watermark."""
        return min(min(held) for held in self._of.values())


DEAD_LETTERS: Final = "dead_letters"
"""Among the tables of a `DecodedChunk`: refused documents, which no database is to have."""


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """One chunk as the flow takes it.

    `lane` and `watermark`: who read it, and the promise of all the lane's partitions of `stream`.
    `rows` are for the keyed steps: `unique` (to be counted once), and of impressions `clicks` and
    `views` (a row per match key). `tables` are finished rows, by table; `records` counts documents.
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

    `records` counts the documents read for them; `watermarks` are the readers' promises, by who
    gave them.
    """

    tables: dict[str, pa.RecordBatch]
    records: int = 0
    watermarks: dict[tuple[str, int], int] = field(default_factory=dict)
