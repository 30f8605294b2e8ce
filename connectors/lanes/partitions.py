"""The partitions of a live lane, and the watermarks of partitions and streams.

A partition's watermark is the latest arrival in it, but no later than the clock. An idle partition
that was read to its end follows the clock, or it would hold back all the others. A record that then
arrives below the watermark is raised to it, and the result records it as late; the result also
records when each record ahead of the clock was read.

The caller passes the time and what was read; this module reads nothing itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from attribution.columnar.frames import END, START
from connectors.decoding.decoder import PartitionDecoder
from connectors.lanes.snapshot import IdlePartitions

BACKLOG: Final = 10_000_000
"""How far (us of arrival time) an unfinished partition lags behind the clock before others wait for
it. If all records are recent, waiting in turn would cost a poll per partition."""

STUCK: Final = 10_000_000
"""How long (us) a partition at its end may receive records that do not advance its watermark (those
without an arrival, or old ones) before the clock advances it once."""

NewDecoder = Callable[[str, str], PartitionDecoder]


@dataclass(slots=True)
class LivePartition:
    """One partition: its decoder and its watermark.

    `active_at` is the clock time at which it last had records to read, `moved_at` the time at which
    they last advanced the watermark; `is_behind` while it has more to read.
    """

    stream: str
    decoder: PartitionDecoder
    watermark: int
    active_at: int
    moved_at: int
    is_behind: bool = False

    def advance(self, now: int, grace: int) -> None:
        """Raise the watermark to the latest arrival, or to the clock less `grace` when idle."""
        latest = min(self.decoder.maximum, now)
        is_stuck = now - self.moved_at >= max(grace, STUCK)
        if latest > self.watermark or is_stuck:
            self.moved_at = now
        carried = now - grace if is_stuck or now - self.active_at >= grace else START
        self.watermark = max(self.watermark, latest, carried)


@dataclass(slots=True)
class LivePartitions:
    """The partitions of one lane by name, and the watermark sent of each stream (`promised`).

    Partitions of a stream that is not `promised` hold nothing back, and are never held back.
    `opened` is when the lane began, `idle_grace` how long a partition may be idle before its
    watermark follows the clock. Resting partitions share the watermark `rested`.
    """

    promised: dict[str, int]
    opened: int
    idle_grace: int
    by_name: dict[str, LivePartition] = field(default_factory=dict)
    resting: IdlePartitions = field(default_factory=IdlePartitions)
    rested: int = START

    def meet(self, decoder: PartitionDecoder, watermark: int, now: int) -> None:
        """Add a partition with its watermark."""
        partition = LivePartition(decoder.stream, decoder, watermark, now, now)
        self.by_name[decoder.partition] = partition

    def follow(self, awake: Iterable[tuple[str, str]], decoder: NewDecoder, now: int) -> None:
        """Add the partitions that are new or awake again; those that are not `awake` may rest.

        `decoder` is called with stream and name.
        """
        names = set()
        for stream, name in awake:
            names.add(name)
            if name not in self.by_name:
                self._meet(decoder(stream, name), now)
        for name in self.by_name.keys() - names:
            self._let_rest(name)

    def _meet(self, decoder: PartitionDecoder, now: int) -> None:
        """Add a partition at the watermark that its stream, or the resting ones, have reached."""
        maximum = self.resting.take(decoder.stream, decoder.partition)
        if maximum is None:
            self.meet(decoder, self.promised.get(decoder.stream, START), now)
        else:
            decoder.raise_to(maximum)
            self.meet(decoder, self.rested, now)

    def _let_rest(self, name: str) -> None:
        """Move a partition to the resting ones, once its watermark only follows the clock."""
        each = self.by_name[name]
        if not each.is_behind and each.watermark <= self.rested:
            self.resting.add(each.stream, name, each.decoder.maximum)
            del self.by_name[name]

    def of(self, stream: str) -> set[str]:
        """Return the partitions of a stream that are not at rest."""
        return {name for name, each in self.by_name.items() if each.stream == stream}

    def ahead_of(self, limit: int) -> set[str]:
        """Return the partitions whose watermark is above `limit`."""
        return {
            name
            for name, each in self.by_name.items()
            if each.watermark > limit and each.stream in self.promised
        }

    def look_for_ends(self, is_at_end: Callable[[str], bool], held: set[str], now: int) -> None:
        """Update which partitions are at their ends; one that was held back is not idle."""
        for name, each in self.by_name.items():
            if name not in held:
                each.is_behind = not is_at_end(name)
            if each.is_behind or name in held:
                each.active_at = each.moved_at = now

    def advance(self, now: int) -> int:
        """Advance all watermarks; return the lowest one with a backlog, END if there is none."""
        self.rested = max(self.rested, now - self.idle_grace)
        for each in self.by_name.values():
            each.advance(now, self.idle_grace)
        marks = [
            each.watermark
            for each in self.by_name.values()
            if each.is_behind and now - each.watermark > BACKLOG and each.stream in self.promised
        ]
        return min(marks, default=END)

    def due(self, now: int, interval: int) -> list[str]:
        """Return the streams whose watermark can advance by at least `interval`."""
        return [
            stream
            for stream, promised in self.promised.items()
            if self._low(stream, now) - promised >= interval
        ]

    def promise(self, stream: str, now: int) -> int:
        """Advance the watermark of a stream as far as possible, and return it; START without."""
        if stream not in self.promised:
            return START
        low = self.promised[stream] = self._low(stream, now)
        return low

    def _low(self, stream: str, now: int) -> int:
        """Return the possible watermark of a stream; without partitions, that of an idle one."""
        marks = [each.watermark for each in self.by_name.values() if each.stream == stream]
        if self.resting.any_of(stream):
            marks.append(self.rested)
        if not marks and now - self.opened >= self.idle_grace:
            marks = [now - self.idle_grace]
        return max(self.promised[stream], min(marks, default=START))
