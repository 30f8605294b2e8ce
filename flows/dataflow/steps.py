"""The keyed steps: a few lines of Bytewax around each part of the core.

A step's logic belongs to one key group. It takes frames, advances to the minimum of the watermarks
of its origins, and emits what has become final. Which frames go where is in `routes`.

A replay keeps nothing between epochs. A continuous run snapshots each group as a manifest of its
immutable batches (`connectors.state.segments`); what is not in a batch is a few numbers.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from bytewax.operators import StatefulBatchLogic

from attribution.columnar.frames import END, START, Frame, Watermarks
from attribution.credit import Credit, Decided
from attribution.dedup import Dedup, Released
from attribution.match import Found, Match
from attribution.policy import Policy
from connectors.failpoints import reach
from connectors.state.manifests import StepState
from connectors.state.segments import Batches, Segments, Snapshots

CHANGE = ("digest", "conversion_id")
"""What DEDUP remembers of a first copy of an event: its content, and what repeats refer to."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What a key group gives when its watermark has moved; `result` is None without rows."""

    watermark: int
    result: Any


@dataclass(frozen=True, slots=True)
class Size:
    """How many lanes and key groups there are, and when steps advance and answer.

    `interval`: how far the watermark moves before a step advances, in us. `provisional`: whether
    conversions are also answered on arrival.
    """

    lanes: int
    groups: int
    interval: int
    provisional: bool


Builder = Callable[[Any], StatefulBatchLogic[Frame, Advance, Any]]
"""Makes the logic of a key group from what was kept of it, if anything was."""


class Core(Protocol):
    """What a step wraps: state that is nothing but immutable batches."""

    @property
    def state(self) -> Batches:
        """All batches, by name."""

    def restore(self, state: Batches, watermark: int) -> None:
        """Go on from batches as they were at a watermark."""


class Step(StatefulBatchLogic[Frame, Advance, StepState | None]):
    """The part that is the same in all steps: take frames, advance, emit, keep."""

    def __init__(self, name: str, core: Core, origins: dict[str, int], interval: int) -> None:
        """Count the origins of each port; advance when the watermark has moved by `interval` us."""
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
        """Take frames of all origins, then advance once: rows are cheap, calls are not."""
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
        return [Advance(watermark, self.advance(watermark))], self.RETAIN

    def snapshot(self) -> StepState | None:
        """Store what is new since the last epoch; a replay that was stopped starts over."""
        if self._snapshots is None or self._measure is None:
            return None
        reach("step.snapshot")
        state = self._core.state
        self._measure(state)
        manifest = self._snapshots.save(state)
        return StepState(self._name, self._advanced, self._watermarks.held, manifest)

    @abstractmethod
    def receive(self, frame: Frame) -> None:
        """Take the rows of a frame."""

    @abstractmethod
    def advance(self, watermark: int) -> Any:  # noqa: ANN401
        """Return what has become final; None where nothing has."""


class DedupStep(Step):
    """First copies and repeats, of events or of impressions."""

    def __init__(
        self, name: str, policy: Policy, *, stream: str, remember: tuple[str, ...], size: Size
    ) -> None:
        """Be fed by the lanes that read the stream."""
        self._dedup = Dedup(window=policy.dedup_window, remember=remember)
        super().__init__(name, self._dedup, {stream: size.lanes}, size.interval)

    def receive(self, frame: Frame) -> None:
        """Let all rows wait for their turn."""
        for rows in frame.rows.values():
            self._dedup.receive(rows)

    def advance(self, watermark: int) -> Released | None:
        """Release what arrived below the watermark."""
        return self._dedup.advance(watermark)


class MatchStep(Step):
    """Records by match key, and the conversions that ask for them."""

    def __init__(self, policy: Policy, *, size: Size) -> None:
        """Be fed by the lanes that read impressions, and by the groups of DEDUP."""
        self._match = Match(policy, provisional=size.provisional)
        origins = {"impressions": size.lanes, "queries": size.groups}
        super().__init__("match", self._match, origins, size.interval)

    def receive(self, frame: Frame) -> None:
        """Index records, let queries wait."""
        for name, rows in frame.rows.items():
            if name == "queries":
                self._match.receive(rows)
            else:
                self._match.insert(rows, as_click=name == "clicks")

    def advance(self, watermark: int) -> Found | None:
        """Answer the queries that have settled, and those that are new."""
        return self._match.advance(watermark)


class CreditStep(Step):
    """Conversions, and all that was found for them."""

    def __init__(self, policy: Policy, *, size: Size) -> None:
        """Be fed by the same group of DEDUP, and by all groups of MATCH."""
        self._credit = Credit(policy, provisional=size.provisional)
        origins = {"conversions": 1, "found": size.groups}
        super().__init__("credit", self._credit, origins, size.interval)

    def receive(self, frame: Frame) -> None:
        """Let conversions wait, and gather what was found."""
        for name, rows in frame.rows.items():
            if name == "conversions":
                self._credit.receive(rows)
            else:
                self._credit.gather(rows, is_final=name == "final")

    def advance(self, watermark: int) -> Decided | None:
        """Decide the conversions that have settled, and those that are new."""
        return self._credit.advance(watermark)


def built(step: Callable[[], Step], segments: Segments | None) -> Builder:
    """Make a step's constructor what Bytewax asks for: a builder from resumed state."""

    def build(resumed: StepState | None) -> Step:
        new = step()
        if segments is not None:
            new.keep_in(segments, resumed)
        return new

    return build
