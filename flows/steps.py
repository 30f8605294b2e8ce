"""The keyed steps: a few lines of Bytewax around each part of the core.

A step's logic belongs to one key group. It takes frames, advances to the minimum of the watermarks
of its origins, and emits what has become final. Which frames go where is in `flows.routes`.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from bytewax.operators import StatefulBatchLogic

from attribution.credit import Credit, Credited
from attribution.dedup import Dedup, Released
from attribution.frames import END, START, Frame, Watermarks
from attribution.match import Match
from attribution.policy import Policy

CHANGE = ("digest", "conversion_id")
"""What DEDUP remembers of a first copy of an event: its content, and what repeats refer to."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What a key group gives when its watermark has moved; `result` is None without rows."""

    watermark: int
    result: Any


class Step(StatefulBatchLogic[Frame, Advance, None]):
    """The part that is the same in all steps: take frames, advance, emit."""

    def __init__(self, origins: dict[str, int], interval: int) -> None:
        """Count the origins of each port; advance when the watermark has moved by `interval` us."""
        self._watermarks = Watermarks(origins)
        self._interval = interval
        self._advanced = START

    def on_batch(self, values: list[Frame]) -> tuple[Iterable[Advance], bool]:
        """Take frames of all origins, then advance once: rows are cheap, calls are not."""
        for frame in values:
            self.receive(frame)
            self._watermarks.observe(frame)
        watermark = self._watermarks.low
        moved = watermark - self._advanced
        if moved == 0 or (moved < self._interval and watermark != END):
            return [], self.RETAIN
        self._advanced = watermark
        return [Advance(watermark, self.advance(watermark))], self.RETAIN

    def snapshot(self) -> None:
        """Keep nothing: a replay that was stopped starts over."""

    @abstractmethod
    def receive(self, frame: Frame) -> None:
        """Take the rows of a frame."""

    @abstractmethod
    def advance(self, watermark: int) -> Any:  # noqa: ANN401
        """Give what has become final; None where nothing has."""


class DedupStep(Step):
    """First copies and repeats, of events or of impressions."""

    def __init__(
        self, policy: Policy, *, stream: str, remember: tuple[str, ...], lanes: int, interval: int
    ) -> None:
        """Be fed by the lanes that read the stream."""
        super().__init__({stream: lanes}, interval)
        self._dedup = Dedup(window=policy.dedup_window, remember=remember)

    def receive(self, frame: Frame) -> None:
        """Let all rows wait for their turn."""
        for rows in frame.rows.values():
            self._dedup.receive(rows)

    def advance(self, watermark: int) -> Released | None:
        """Release what arrived below the watermark."""
        return self._dedup.advance(watermark)


class MatchStep(Step):
    """Records by match key, and the conversions that ask for them."""

    def __init__(self, policy: Policy, *, lanes: int, groups: int, interval: int) -> None:
        """Be fed by the lanes that read impressions, and by the groups of DEDUP."""
        super().__init__({"impressions": lanes, "queries": groups}, interval)
        self._match = Match(policy)

    def receive(self, frame: Frame) -> None:
        """Index records, let queries wait."""
        for name, rows in frame.rows.items():
            if name == "queries":
                self._match.receive(rows)
            else:
                self._match.insert(rows, as_click=name == "clicks")

    def advance(self, watermark: int) -> pa.RecordBatch | None:
        """Answer the queries that have settled."""
        return self._match.advance(watermark)


class CreditStep(Step):
    """Conversions, and all that was found for them."""

    def __init__(self, policy: Policy, *, groups: int, interval: int) -> None:
        """Be fed by the same group of DEDUP, and by all groups of MATCH."""
        super().__init__({"conversions": 1, "found": groups}, interval)
        self._credit = Credit(policy)

    def receive(self, frame: Frame) -> None:
        """Let conversions wait, and gather what was found."""
        for name, rows in frame.rows.items():
            take = self._credit.receive if name == "conversions" else self._credit.gather
            take(rows)

    def advance(self, watermark: int) -> Credited | None:
        """Decide the conversions that have settled."""
        return self._credit.advance(watermark)


def built(step: Callable[[], Step]) -> Callable[[None], Step]:
    """Make a step's constructor what Bytewax asks for: a builder from resumed state."""
    return lambda _resumed: step()
