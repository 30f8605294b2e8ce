"""The keyed steps: thin Bytewax wrappers around DEDUP, MATCH and CREDIT.

Each key group has its own logic object. It receives frames, advances to the minimum of the
watermarks of its origins, and emits what has become final. `routes` sends frames to groups.

A replay persists nothing. A continuous run snapshots each group as a manifest of its immutable
batches (`connectors.state.segments`) and its watermarks.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from bytewax.operators import StatefulBatchLogic

from attribution.columnar.frames import END, START, Frame, Watermarks
from attribution.credit import Credit
from attribution.dedup import Dedup
from attribution.match import Match
from attribution.policy import Policy
from connectors.failpoints import reach
from connectors.state.manifests import StepState
from connectors.state.segments import Batches, Segments, Snapshots

CHANGE = ("digest", "conversion_id")
"""Columns of an event's first copy that DEDUP remembers, to compare and refer repeats to it."""


@dataclass(frozen=True, slots=True)
class Advance:
    """The output of a key group whose watermark has moved; `result` is None without rows."""

    watermark: int
    result: Any


@dataclass(frozen=True, slots=True)
class Size:
    """The number of lanes and key groups, and when steps advance.

    `interval`: how far the watermark moves before a step advances, in us. `provisional`: whether
    there are also results for conversions that have only just arrived.
    """

    lanes: int
    groups: int
    interval: int
    provisional: bool


Builder = Callable[[Any], StatefulBatchLogic[Frame, Advance, Any]]
"""Creates the logic of a key group from its snapshot, or from None."""


class Core(Protocol):
    """The state that a step wraps; all of it is in immutable batches."""

    @property
    def state(self) -> Batches:
        """All batches, by name."""

    def restore(self, state: Batches, watermark: int) -> None:
        """Restore the batches of a snapshot taken at a watermark."""

    def advance(self, watermark: int) -> Any:  # noqa: ANN401
        """Return what has become final; None if nothing has."""


class Step(StatefulBatchLogic[Frame, Advance, StepState | None]):
    """The part that all steps share: receive frames, advance, emit, snapshot."""

    def __init__(self, name: str, core: Core, origins: dict[str, int], interval: int) -> None:
        """Set the origins per port; advance once the watermark has moved by `interval` us."""
        self._name = name
        self._core = core
        self._watermarks = Watermarks(origins)
        self._interval = interval
        self._advanced = START
        self._snapshots: Snapshots | None = None
        self._measure: Callable[[Batches], None] | None = None
        self._count: Callable[[int], None] | None = None

    def keep_in(self, segments: Segments, resumed: StepState | None) -> None:
        """Keep state in a directory, and go on from what was kept there."""
        # A replay, which keeps nothing, does without metrics.
        from connectors.metrics import frames  # noqa: PLC0415
        from connectors.state.sizes import state_size  # noqa: PLC0415

        self._snapshots = segments.snapshots()
        self._measure = partial(state_size, self._name, id(self))
        self._count = partial(frames, self._name)
        if resumed is not None:
            assert resumed.step == self._name, "the engine gives each step its own"
            self._advanced = resumed.advanced
            self._watermarks.restore(resumed.watermarks)
            self._core.restore(self._snapshots.load(resumed.manifest), self._advanced)

    def on_batch(self, values: list[Frame]) -> tuple[Iterable[Advance], bool]:
        """Receive all frames, then advance once: rows are cheap, calls are not."""
        if self._count is not None:
            self._count(len(values))
        for frame in values:
            self.receive(frame)
            self._watermarks.observe(frame)
        watermark = self._watermarks.low
        moved = watermark - self._advanced
        if moved == 0 or (moved < self._interval and watermark != END):
            return [], self.RETAIN
        self._advanced = watermark
        return [Advance(watermark, self._core.advance(watermark))], self.RETAIN

    def snapshot(self) -> StepState | None:
        """Store what is new since the last epoch; None in a replay, which cannot resume."""
        if self._snapshots is None or self._measure is None:
            return None
        reach("step.snapshot")
        state = self._core.state
        self._measure(state)
        manifest = self._snapshots.save(state)
        return StepState(self._name, self._advanced, self._watermarks.held, manifest)

    @abstractmethod
    def receive(self, frame: Frame) -> None:
        """Add the rows of a frame."""


class DedupStep(Step):
    """DEDUP, for events or for impressions."""

    def __init__(
        self, name: str, policy: Policy, *, stream: str, remember: tuple[str, ...], size: Size
    ) -> None:
        """Receive from all lanes of a stream."""
        self._dedup = Dedup(window=policy.dedup_window, remember=remember)
        super().__init__(name, self._dedup, {stream: size.lanes}, size.interval)

    def receive(self, frame: Frame) -> None:
        """Hold back all rows."""
        for rows in frame.rows.values():
            self._dedup.receive(rows)


class MatchStep(Step):
    """MATCH: records by match key, and the match keys of conversions."""

    def __init__(self, policy: Policy, *, size: Size) -> None:
        """Receive from the lanes of impressions and from all groups of DEDUP."""
        self._match = Match(policy, provisional=size.provisional)
        origins = {"impressions": size.lanes, "queries": size.groups}
        super().__init__("match", self._match, origins, size.interval)

    def receive(self, frame: Frame) -> None:
        """Index records and hold back queries."""
        for name, rows in frame.rows.items():
            if name == "queries":
                self._match.receive(rows)
            else:
                self._match.insert(rows, as_click=name == "clicks")


class CreditStep(Step):
    """CREDIT: conversions, and the records found for them."""

    def __init__(self, policy: Policy, *, size: Size) -> None:
        """Receive from the same group of DEDUP and from all groups of MATCH."""
        self._credit = Credit(policy, provisional=size.provisional)
        origins = {"conversions": 1, "found": size.groups}
        super().__init__("credit", self._credit, origins, size.interval)

    def receive(self, frame: Frame) -> None:
        """Hold back conversions, and collect the records found for them."""
        for name, rows in frame.rows.items():
            if name == "conversions":
                self._credit.receive(rows)
            else:
                self._credit.gather(rows, is_final=name == "final")


def built(step: Callable[[], Step], segments: Segments | None) -> Builder:
    """Turn a step's constructor into a builder for Bytewax, which takes the resumed state."""

    def build(resumed: StepState | None) -> Step:
        new = step()
        if segments is not None:
            new.keep_in(segments, resumed)
        return new

    return build
