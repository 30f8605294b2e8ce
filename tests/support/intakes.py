"""One lane of any intake, polled, with all that it gave."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from connectors.intake import Intake, Intakes
from connectors.positions import Position

WAIT_SECONDS_MAX = 30


@dataclass
class Reader:
    """Polls one lane and keeps what it gave, by partition."""

    intake: Intake
    given: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)

    def poll(self, held: Sequence[str] = ()) -> None:
        """Look around and poll once, and check what holds for each answer."""
        self.intake.look_around()
        known = self.intake.partitions()
        documents = self.intake.poll(held)
        named = [(each.stream, each.partition) for each in documents]
        assert len(set(named)) == len(named), "a partition comes once"
        assert set(named) <= {each for each in known if each[1] not in held}
        for each in documents:
            rows = [each.lines[row] for row in range(len(each.lines))]
            pairs = list(zip(each.offsets.tolist(), rows, strict=True))
            self.given.setdefault(each.partition, []).extend(pairs)
            assert self.intake.next_offset(each.partition) > pairs[-1][0]

    def until(self, is_so: Callable[[], bool], held: Sequence[str] = ()) -> None:
        """Poll until something is so."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not is_so():
            assert time.monotonic() < deadline, f"still waiting; has {self.counts}"
            self.poll(held)
            time.sleep(0.005)

    def to_the_end(self) -> None:
        """Poll until every partition is at its end."""
        self.poll()
        self.until(lambda: all(self.intake.is_at_end(name) for _, name in self.intake.partitions()))

    def while_held(self, seconds: float, *held: str) -> None:
        """Poll for a while, some partitions held back."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, held)

    @property
    def counts(self) -> dict[str, int]:
        """The number of documents of each partition."""
        return {name: len(rows) for name, rows in self.given.items()}

    @property
    def positions(self) -> dict[str, Position]:
        """The positions of all partitions."""
        return {name: self.intake.position(name) for _, name in self.intake.partitions()}


@contextmanager
def reading(
    intakes: Intakes, positions: Mapping[str, Position] | None = None, lane: int = 0
) -> Iterator[Reader]:
    """Open a lane and close it."""
    intake = intakes.open(lane, positions or {})
    try:
        yield Reader(intake)
    finally:
        intake.close()


def numbers(begin: int, end: int) -> list[bytes]:
    """Return documents that differ."""
    return [b"%d" % number for number in range(begin, end)]
