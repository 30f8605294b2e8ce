"""The interface between a live lane and its input: Kafka topics or growing files.

Both return documents of one partition at a time, with their offsets, and a position to resume
from. The decoder interprets the documents.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from attribution.columnar.columns import Ints
from connectors.decoding.lines import Lines
from connectors.positions import Position

Headers = Sequence[tuple[str, bytes | None]]
"""The headers of a Kafka record; a name may occur more than once."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The Kafka records of documents, one per line, for dead letters."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers | None]


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents of one partition, read at once.

    `partition` is a file's base name, or `topic-3`. `offsets` are ascending, one per line.
    Documents of a file have no `origins`.
    """

    stream: str
    partition: str
    lines: Lines
    offsets: Ints
    origins: Origins | None = None


class Intake(Protocol):
    """The partitions of one lane.

    Once listed, a partition can be queried for the rest of the run. It may rest while all of it has
    been returned and no more is expected soon.
    """

    def look_around(self) -> None:
        """Find partitions that are new, or that may have grown. Never blocks for long."""

    def partitions(self) -> list[tuple[str, str]]:
        """Return stream and name of every partition known now that is not at rest."""

    def poll(self, held: Collection[str]) -> list[Documents]:
        """Return the next documents, at most some chunks, except of the partitions in `held`.

        Returns documents only of partitions found by `look_around`, so that the caller can hold
        every one. Never blocks for long. Each partition occurs at most once in the result.
        """

    def is_at_end(self, partition: str) -> bool:
        """Return whether the last poll that did not hold the partition back reached its end."""

    def position(self, partition: str) -> Position:
        """Return the position after the last returned document."""

    def next_offset(self, partition: str) -> int:
        """Return the offset below which everything has been returned."""

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Record that a result contains all before these positions; called once per epoch."""

    def close(self) -> None:
        """Close files and connections; no other method is called afterwards."""


class Intakes(Protocol):
    """Opens the intake of each lane."""

    def open(self, lane: int, positions: Mapping[str, Position]) -> Intake:
        """Open the partitions of a lane; those in `positions` resume from there."""

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Do the same as `Intake.commit`, after all intakes are closed."""
