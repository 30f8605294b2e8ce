"""Lanes as an unbounded Bytewax source, with partitions that grow and a clock.

`connectors.lanes.partitions` decides how far watermarks advance. A lane that stops does not advance
its watermarks to the end of time: the next start reads on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from attribution.columnar.frames import END, START, DecodedChunk
from attribution.vocabulary import RAW_STREAMS, STREAMS
from connectors import metrics
from connectors.dead_letters.letters import set_aside
from connectors.decoding.decoder import Next, PartitionDecoder, decode_together
from connectors.decoding.keys import keyed
from connectors.failpoints import reach
from connectors.intake import Documents, Intakes
from connectors.lanes.alignment import Alignment
from connectors.lanes.partitions import LivePartitions
from connectors.lanes.rules import Rules
from connectors.lanes.snapshot import LaneState, PartitionState
from connectors.positions import Position
from connectors.progress import future_record_rows, late_record_rows, read_offset_rows

POLL_INTERVAL: Final = timedelta(milliseconds=20)
"""Interval of polls while there are no records: a poll costs some microseconds per partition."""

GATHER_INTERVAL: Final = timedelta(milliseconds=100)
"""Interval of polls otherwise: decoding costs some 30 ms, for one document or a hundred."""


@dataclass(frozen=True, slots=True)
class LiveSource(FixedPartitionedSource[DecodedChunk, LaneState]):
    """An unbounded set of partitions, divided among a fixed number of lanes.

    Lanes end once `stopping` returns true. They share `alignment`; `untold` holds the final
    positions of ended lanes, which are still to be committed.
    """

    intakes: Intakes
    lanes: int
    rules: Rules
    stopping: Callable[[], bool]
    alignment: Alignment
    untold: dict[str, Position] = field(default_factory=dict)

    def list_parts(self) -> list[str]:
        """Return the names of the lanes."""
        return [str(lane) for lane in range(self.lanes)]

    def build_part(self, step_id: str, for_part: str, resume_state: LaneState | None) -> "LiveLane":
        """Open a lane, which resumes from its snapshot."""
        del step_id
        return LiveLane(self, int(for_part), resume_state or LaneState())

    def tell_stored(self) -> None:
        """Commit the final offsets. Call it after the engine has ended: all is stored by then."""
        if self.untold:
            self.intakes.commit(self.untold)


class LiveLane(StatefulSourcePartition[DecodedChunk, LaneState]):
    """The partitions of one lane."""

    def __init__(self, source: LiveSource, number: int, resumed: LaneState) -> None:
        """Open the partitions; those in the snapshot resume from there."""
        self._source = source
        self._rules = source.rules
        self._number = number
        limit = source.rules.dead_letters
        self._dead_letters = None if limit is None else limit.watch(resumed.refusals)
        partitions = resumed.all_partitions()
        self._followed = None if source.rules.follow is None else source.rules.follow(number)
        positions = {name: each.position for name, each in partitions.items()}
        self._intake = source.intakes.open(number, positions)
        self._stored: dict[str, Position] | None = positions
        self._partitions = LivePartitions(
            dict.fromkeys(STREAMS, START) | resumed.watermarks,
            opened=source.rules.clock(),
            idle_grace=source.rules.idle_grace,
        )
        for name, each in partitions.items():
            decoder = self._decoder(each.stream, name)
            decoder.raise_to(each.maximum)
            self._partitions.meet(decoder, each.watermark, self._rules.clock())
        self._has_backlog = False
        self._has_given = False
        self._due_at = datetime.now(UTC)

    def next_batch(self) -> Iterable[DecodedChunk]:
        """Return what was read since the last call, and watermarks that have advanced.

        The order of the steps matters:

        1. The clock is read first: a record that arrives later must not be below it.
        2. New partitions are found before the poll, because only a known one can be held back.
        3. The poll holds back partitions that are ahead of the other lanes, and events whose
           source is not known yet.
        4. Ends are checked before decoding: records that come meanwhile arrive later than `now`.
        5. Documents are decoded, by stream.
        6. The watermarks advance last, over everything that was decoded.
        """
        self._commit_stored()
        if self._source.stopping():
            raise StopIteration
        now = self._rules.clock()
        self._find_partitions()
        held = self._held_back(now)
        documents = self._poll(held)
        self._partitions.look_for_ends(self._intake.is_at_end, held, now)
        chunks = self._decode(documents, now)
        self._advance(now)
        return chunks + self._due_watermarks(now) + self._news(now)

    def next_awake(self) -> datetime | None:
        """Poll at once while a backlog yields records; else let some documents gather."""
        return None if self._has_backlog and self._has_given else self._due_at

    def snapshot(self) -> LaneState:
        """Return the positions and watermarks."""
        reach("source.snapshot")
        metrics.epoch_ended()
        partitions = {
            name: PartitionState(
                each.stream, self._intake.position(name), each.decoder.maximum, each.watermark
            )
            for name, each in self._partitions.by_name.items()
        }
        loose, block = self._partitions.resting.keep(self._intake.position, self._partitions.rested)
        partitions |= loose
        self._stored = {name: each.position for name, each in partitions.items()}
        refusals = {} if self._dead_letters is None else self._dead_letters.kept
        return LaneState(partitions, dict(self._partitions.promised), refusals, block)

    def close(self) -> None:
        """Close the partitions, without a commit: the snapshot may not be stored yet."""
        self._source.untold.update(self._stored or {})
        self._intake.close()
        if self._followed is not None:
            self._followed.close()

    def _commit_stored(self) -> None:
        """Commit the last snapshot's offsets: the engine polls again only once it is stored."""
        if self._stored is not None:
            self._intake.commit(self._stored)
            self._stored = None

    def _decoder(self, stream: str, name: str) -> PartitionDecoder:
        return PartitionDecoder(
            stream, name, policy=self._rules.policy, registry=self._rules.registry
        )

    def _find_partitions(self) -> None:
        self._intake.look_around()
        awake = self._intake.partitions()
        self._partitions.follow(awake, self._decoder, self._rules.clock())

    def _held_back(self, now: int) -> set[str]:
        return self._partitions.ahead_of(self._source.alignment.limit) | self._unjudgeable(now)

    def _poll(self, held: set[str]) -> list[Documents]:
        documents = self._intake.poll(held)
        self._has_given = bool(documents)
        self._due_at = datetime.now(UTC) + (GATHER_INTERVAL if documents else POLL_INTERVAL)
        return documents

    def _decode(self, documents: list[Documents], now: int) -> list[DecodedChunk]:
        streams = [[each for each in documents if each.stream == stream] for stream in RAW_STREAMS]
        return [self._read(each, now) for each in streams if each]

    def _unjudgeable(self, now: int) -> set[str]:
        """Return the partitions of events while the registry is not up to date."""
        if self._followed is None or self._followed.look(now):
            return set()
        return self._partitions.of("events")

    def _news(self, now: int) -> list[DecodedChunk]:
        """Return the changes of the registry."""
        news = None if self._followed is None else self._followed.news()
        return [self._given("events", now, {}, {"event_sources": news}, 0)] if news else []

    def _read(self, documents: list[Documents], now: int) -> DecodedChunk:
        """Decode the documents of one stream together: many cost the same as one."""
        read = {each.partition: self._partitions.by_name[each.partition] for each in documents}
        if self._followed is not None:
            for partition in read.values():
                partition.decoder.registry = self._followed.current()
        decoded = decode_together(
            [
                Next(mine.decoder, each.lines, each.offsets, mine.watermark, now)
                for each, mine in zip(documents, read.values(), strict=True)
            ]
        )
        for partition in read.values():
            partition.active_at = now
            partition.advance(now, self._rules.idle_grace)
        rows, tables = keyed(decoded, self._rules.salts)
        if any(part.late for part in decoded.parts):
            tables["late_records"] = late_record_rows(decoded)
        if any(part.future for part in decoded.parts):
            tables["future_records"] = future_record_rows(decoded)
        next_offsets = {name: self._intake.next_offset(name) for name in read}
        tables["read_offsets"] = read_offset_rows(decoded.stream, next_offsets)
        tables |= set_aside(documents, decoded, self._dead_letters)
        return self._given(decoded.stream, now, rows, tables, decoded.records)

    def _advance(self, now: int) -> None:
        """Advance all watermarks, and share this lane's lag with the other lanes."""
        backlog = self._partitions.advance(now)
        self._has_backlog = backlog < END
        self._source.alignment.note(self._number, backlog)

    def _due_watermarks(self, now: int) -> list[DecodedChunk]:
        due = self._partitions.due(now, self._rules.watermark_interval)
        return [self._given(stream, now, {}, {}, 0) for stream in due]

    def _given(
        self,
        stream: str,
        now: int,
        rows: dict[str, pa.RecordBatch],
        tables: dict[str, pa.RecordBatch],
        records: int,
    ) -> DecodedChunk:
        low = self._partitions.promise(stream, now)
        self._rules.on_read(stream, records, low)
        return DecodedChunk(stream, self._number, low, rows, tables, records)
