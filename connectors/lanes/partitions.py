"""What a live lane knows of its partitions, and the rows that tell how far they were read.

A partition's watermark is the latest arrival in it, but no later than the clock. One that was read
to its end and is idle is carried along with the clock, or it would hold back all the others; a
record that arrives below the watermark then is lifted to it, and the late is kept with the result;
so is the instant at which a record was read that is ahead of the clock.

Is told the time, and what has been read; reads nothing itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from attribution.columnar.frames import END, START
from connectors.decoding.decoder import PartitionDecoder
from connectors.lanes.snapshot import IdlePartitions

BACKLOG: Final = 10_000_000
"""How far (us of arrival time) a partition that has more to read is behind the clock before others
wait for it. Where all is recent, waiting in turn would cost a look per partition."""

STUCK: Final = 10_000_000
"""How long (us) a partition that is read to its end may have more and more that does not move its
time on, as records without an arrival do, or old ones, until the clock does it once."""

NewDecoder = Callable[[str, str], PartitionDecoder]


@dataclass(slots=True)
class LivePartition:
    """One partition: its order of arrival, and what was promised of it.

    `active_at` is when (by the clock) there was last more of it, and `moved_at` when that was of
    later than what was promised; `is_behind` if there still is.
    """

    stream: str
    decoder: PartitionDecoder
    watermark: int
    active_at: int
    moved_at: int
    is_behind: bool = False

    def advance(self, now: int, grace: int) -> None:
        """Raise the watermark to the latest arrival, or to the clock's when idle."""
        latest = min(self.decoder.maximum, now)
        is_stuck = now - self.moved_at >= max(grace, STUCK)
        if latest > self.watermark or is_stuck:
            self.moved_at = now
        carried = now - grace if is_stuck or now - self.active_at >= grace else START
        self.watermark = max(self.watermark, latest, carried)


@dataclass(slots=True)
class LivePartitions:
    """The partitions of one lane by name, and what was promised of each stream.

    `opened` is when the lane began, `idle_grace` how long a partition may be silent until the clock
    carries it. Those at rest are carried together, to `rested`.
    """

    promised: dict[str, int]
    opened: int
    idle_grace: int
    by_name: dict[str, LivePartition] = field(default_factory=dict)
    resting: IdlePartitions = field(default_factory=IdlePartitions)
    rested: int = START

    def meet(self, decoder: PartitionDecoder, watermark: int, now: int) -> None:
        """Go on with a partition from what was promised of it."""
        partition = LivePartition(decoder.stream, decoder, watermark, now, now)
        self.by_name[decoder.partition] = partition

    def follow(self, awake: Iterable[tuple[str, str]], decoder: NewDecoder, now: int) -> None:
        """Meet the partitions that are new or back; those that are not `awake` may rest.

        `decoder` is given stream and name.
        """
        names = set()
        for stream, name in awake:
            names.add(name)
            if name not in self.by_name:
                self._meet(decoder(stream, name), now)
        for name in self.by_name.keys() - names:
            self._let_rest(name)

    def _meet(self, decoder: PartitionDecoder, now: int) -> None:
        """Start a partition at what was promised without it."""
        maximum = self.resting.take(decoder.stream, decoder.partition)
        if maximum is None:
            self.meet(decoder, self.promised[decoder.stream], now)
        else:
            decoder.raise_to(maximum)
            self.meet(decoder, self.rested, now)

    def _let_rest(self, name: str) -> None:
        """Carry a partition with the others at rest, once the clock carries it anyway."""
        each = self.by_name[name]
        if not each.is_behind and each.watermark <= self.rested:
            self.resting.add(each.stream, name, each.decoder.maximum)
            del self.by_name[name]

    def of(self, stream: str) -> set[str]:
        """Name the partitions of a stream that are not at rest."""
        return {name for name, each in self.by_name.items() if each.stream == stream}

    def ahead_of(self, limit: int) -> set[str]:
        """Name the partitions that are too far ahead of the slowest for their turn."""
        return {name for name, each in self.by_name.items() if each.watermark > limit}

    def look_for_ends(self, is_at_end: Callable[[str], bool], held: set[str], now: int) -> None:
        """Note which partitions have been read to their ends; one that was held is not idle."""
        for name, each in self.by_name.items():
            if name not in held:
                each.is_behind = not is_at_end(name)
            if each.is_behind or name in held:
                each.active_at = each.moved_at = now

    def advance(self, now: int) -> int:
        """Move all watermarks on; give the lowest one that has a backlog, END where none has."""
        self.rested = max(self.rested, now - self.idle_grace)
        for each in self.by_name.values():
            each.advance(now, self.idle_grace)
        marks = [
            each.watermark
            for each in self.by_name.values()
            if each.is_behind and now - each.watermark > BACKLOG
        ]
        return min(marks, default=END)

    def due(self, now: int, interval: int) -> list[str]:
        """Name the streams of which much more can be promised than was."""
        return [
            stream
            for stream, promised in self.promised.items()
            if self._low(stream, now) - promised >= interval
        ]

    def promise(self, stream: str, now: int) -> int:
        """Promise of a stream what can be, and give it."""
        low = self.promised[stream] = self._low(stream, now)
        return low

    def _low(self, stream: str, now: int) -> int:
        """Return what can be promised of a stream; without partitions that is an idle one's."""
        marks = [each.watermark for each in self.by_name.values() if each.stream == stream]
        if self.resting.any_of(stream):
            marks.append(self.rested)
        if not marks and now - self.opened >= self.idle_grace:
            marks = [now - self.idle_grace]
        return max(self.promised[stream], min(marks, default=START))
