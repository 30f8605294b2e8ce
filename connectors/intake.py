"""What a live lane reads: partitions that keep coming, wherever they come from.

Files that grow and Kafka give the same: documents of one partition at a time, with their
offsets, and a position to go on from. What the documents mean is the decoder's business.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from attribution.columnar.columns import Ints
from connectors.decoding.lines import Lines
from connectors.positions import Position

Headers = Sequence[tuple[str, bytes | None]]
"""What a Kafka record carries beside key and value; a name may come more than once."""


@dataclass(frozen=True, slots=True)
class Origins:
    """The records that documents came as, one per line: what dead letters give back."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers | None]


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents of one partition, read at once.

    `partition` is the name that places refer to: a file's base name, or `topic-3`. `offsets` are
    ascending, one per line. Documents of a file have no `origins`.
    """

    stream: str
    partition: str
    lines: Lines
    offsets: Ints
    origins: Origins | None = None


class Intake(Protocol):
    """The partitions of one lane.

    A partition that was known once stays known, and what is asked of it is answered. It may be at
    rest while all of it has been given and no more is expected soon.
    """

    def look_around(self) -> None:
        """Find partitions that are new, or may have more again. Never blocks for long."""

    def partitions(self) -> list[tuple[str, str]]:
        """Return stream and name of every partition known now that is not at rest."""

    def poll(self, held: Collection[str]) -> list[Documents]:
        """Return what is there now, at most some chunks of it; nothing of the partitions in `held`.

        Nor of any that no look around has found: whoever holds must know of it before. Never
        blocks for long. A partition is given once at most.
        """

    def is_at_end(self, partition: str) -> bool:
        """Return whether everything seen by the last poll that did not hold it was returned."""

    def position(self, partition: str) -> Position:
        """Return where to go on after what was given."""

    def next_offset(self, partition: str) -> int:
        """Return the offset below which everything has been given."""

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Note that a result holds all before these positions; called once for each epoch."""

    def close(self) -> None:
        """Let go of what is open; nothing is read afterwards."""


class Intakes(Protocol):
    """Opens the intake of each lane."""

    def open(self, lane: int, positions: Mapping[str, Position]) -> Intake:
        """Open the partitions of a lane; those in `positions` go on from there."""

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Note the same as `Intake.commit`, when no intake is open any more."""
