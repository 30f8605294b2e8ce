"""A live lane: watermarks, what is carried along with the clock, what is lifted, and resuming.

Instants are microseconds after NOW. The property at the end drives a lane over files that grow,
with crashes, and reads the files once more as `verify` does.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.columnar.frames import END, START, DecodedChunk
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.files import polling
from connectors.files.intake import TailIntakes
from connectors.lanes import snapshot as resting
from connectors.lanes.alignment import Alignment
from connectors.lanes.partitions import STUCK
from connectors.lanes.rules import Rules
from connectors.lanes.snapshot import LaneState
from connectors.lanes.source import LiveLane, LiveSource
from connectors.registry.follow import Followed
from tests.support import raw
from tests.support.raw import DAY, HOUR, MINUTE, SECOND

MS: Final = 1_000
NOW: Final = raw.since_epoch(raw.NOW)
GRACE: Final = 250 * MS
INTERVAL: Final = 100 * MS
REGISTRY: Final = Registry.from_documents([], allow_unregistered=True)
EVENTS, IMPRESSIONS = "events.ndjson", "impressions.ndjson"
MEASUREMENTS = "measurements.ndjson"


def document(name: str, received_at: int | None) -> bytes:
    """Write a record that belongs into that file, without arrival if None."""
    at = None if received_at is None else raw.NOW + received_at
    if name.startswith("events"):
        record = raw.envelope(raw.event(time=raw.NOW - HOUR), received_at=at)
    elif name.startswith("measurements"):
        record = raw.measurements(raw.measurement(), None, received_at=at)
    else:
        record = raw.impression(time=raw.NOW - HOUR, received_at=at)
    return json.dumps(record).encode() + b"\n"


@dataclass
class Bench:
    """A folder, a clock, and lanes over it."""

    folder: Path
    now: int = 0
    lanes: int = 1
    chunk_bytes: int = 8_000_000
    alignment: Alignment = field(default_factory=lambda: Alignment.of(1))
    is_stopping: bool = False
    follow: Callable[[int], Followed] | None = None

    def lane(self, number: int = 0, resumed: LaneState | None = None) -> LiveLane:
        rules = Rules(
            Policy(), REGISTRY, lambda: NOW + self.now, GRACE, INTERVAL, follow=self.follow
        )
        source = LiveSource(
            TailIntakes(self.folder, self.lanes, self.chunk_bytes, listing_interval=0),
            self.lanes,
            rules,
            lambda: self.is_stopping,
            self.alignment,
        )
        return source.build_part("read", str(number), resumed)

    def append(self, name: str, *arrivals: int | None) -> None:
        self.write(name, *(document(name, at) for at in arrivals))

    def write(self, name: str, *lines: bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(b"".join(lines))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def promises(reads: list[DecodedChunk]) -> list[tuple[str, int]]:
    return [(read.stream, read.watermark - NOW) for read in reads]


def arrivals(reads: list[DecodedChunk]) -> list[int]:
    return sorted(at - NOW for _, _, at in places(reads) if at is not None)


def places(reads: list[DecodedChunk]) -> Iterator[tuple[str, int, int | None]]:
    """Yield partition, offset and effective arrival of everything in some reads."""
    for read in reads:
        rejections = read.tables.get("rejections")
        for rows in (read.rows.get("unique"), rejections):
            if rows is not None:
                columns = ("source_partition", "source_offset", "received_at")
                for row in rows.select(columns).to_pylist():
                    at = row["received_at"]
                    at = at if at is None or isinstance(at, int) else round(at.timestamp() * 1e6)
                    yield row["source_partition"], row["source_offset"], at


def rows(reads: list[DecodedChunk], table: str) -> list[dict[str, Any]]:
    return [row for read in reads if table in read.tables for row in read.tables[table].to_pylist()]


def test_the_watermark_is_the_latest_arrival(bench: Bench) -> None:
    bench.append(IMPRESSIONS, -3 * SECOND, -5 * SECOND, -2 * SECOND)
    bench.append(EVENTS, -4 * SECOND)
    reads = list(bench.lane().next_batch())
    assert promises(reads) == [("events", -4 * SECOND), ("impressions", -2 * SECOND)]
    assert arrivals(reads) == [-4 * SECOND, -3 * SECOND, -3 * SECOND, -2 * SECOND]
    assert rows(reads, "late_records") == []
    assert rows(reads, "read_offsets") == [
        {"stream": "events", "source_partition": EVENTS, "next_offset": 1},
        {"stream": "impressions", "source_partition": IMPRESSIONS, "next_offset": 3},
    ]


def test_measurements_are_read_and_nothing_waits_for_them(bench: Bench) -> None:
    """Whatever their arrival, the watermarks and the backlog are those of the other streams."""
    bench.append(MEASUREMENTS, -400 * DAY, None, 400 * DAY)
    bench.append(IMPRESSIONS, -SECOND)
    lane = bench.lane()
    reads = list(lane.next_batch())
    assert promises(reads) == [("impressions", -SECOND), ("measurements", START - NOW)]
    assert bench.alignment.limit == END
    assert [row["source_offset"] for row in rows(reads, "measurements")] == [0, 1, 2]
    assert [row["source_index"] for row in rows(reads, "rejections")] == [1, 1, 1]
    assert {"stream": "measurements", "source_partition": MEASUREMENTS, "next_offset": 3} in rows(
        reads, "read_offsets"
    )
    bench.now = SECOND
    assert promises(list(lane.next_batch())) == [
        ("events", SECOND - GRACE),
        ("impressions", SECOND - GRACE),
    ]
    again = bench.lane(resumed=lane.snapshot())
    assert rows(list(again.next_batch()), "measurements") == []
    bench.append(MEASUREMENTS, 0)
    assert [row["source_offset"] for row in rows(list(again.next_batch()), "measurements")] == [3]


def test_a_backlog_of_measurements_holds_nothing_back_and_comes_last(bench: Bench) -> None:
    bench.chunk_bytes = 1
    bench.append(MEASUREMENTS, -40 * DAY, -40 * DAY, -40 * DAY)
    lane = bench.lane()
    assert rows(list(lane.next_batch()), "measurements") != []
    assert bench.alignment.limit == END
    bench.append(IMPRESSIONS, -HOUR, -HOUR)
    for _ in range(2):
        assert len(arrivals([read for read in lane.next_batch() if read.records])) == 1
    assert len(rows([*lane.next_batch(), *lane.next_batch()], "measurements")) == 2


def test_measurements_are_read_however_far_another_lane_lags(bench: Bench) -> None:
    bench.alignment = Alignment.of(2)
    bench.append(MEASUREMENTS, 0)
    lane = bench.lane()
    list(lane.next_batch())
    bench.alignment.note(1, NOW - 40 * DAY)
    for bench.now in (SECOND, 2 * SECOND):
        list(lane.next_batch())
    bench.append(MEASUREMENTS, 0)
    bench.append(IMPRESSIONS, 0)
    reads = list(lane.next_batch())
    assert [row["source_offset"] for row in rows(reads, "measurements")] == [1]


def test_an_arrival_beyond_the_clock_does_not_advance_it(bench: Bench) -> None:
    bench.append(IMPRESSIONS, 5 * MINUTE)
    lane = bench.lane()
    assert promises(list(lane.next_batch())) == [("impressions", 0)]
    bench.now = SECOND
    assert ("impressions", SECOND) in promises(list(lane.next_batch()))


def test_of_events_beyond_the_clock_it_is_noted_when_they_were_read(bench: Bench) -> None:
    bench.append(EVENTS, 0, SECOND, 2 * SECOND, 0)
    bench.append(IMPRESSIONS, SECOND)
    lane = bench.lane()
    assert rows(list(lane.next_batch()), "future_records") == [reading(1, 3, 0)]
    bench.now = 2 * SECOND - 1
    bench.append(EVENTS, 0)
    assert rows(list(lane.next_batch()), "future_records") == [reading(4, 4, bench.now)]
    bench.now = 2 * SECOND
    bench.append(EVENTS, 0)
    assert rows(list(lane.next_batch()), "future_records") == []


@pytest.mark.parametrize("name", [EVENTS, IMPRESSIONS])
def test_an_arrival_too_far_beyond_the_clock_is_none(bench: Bench, name: str) -> None:
    """It is noted when it was read, for later it would have been believed."""
    bench.append(name, -SECOND, 5 * MINUTE + 1, 5 * MINUTE, -SECOND)
    reads = list(bench.lane().next_batch())
    stream = name.removesuffix(".ndjson")
    assert arrivals(reads) == [-SECOND, -SECOND, 5 * MINUTE, 5 * MINUTE]
    last = 3 if stream == "events" else 1  # what is believed matters for the registry alone
    assert rows(reads, "future_records") == [reading(1, last, 0, stream)]
    assert rows(reads, "ignored_arrivals") == [
        {"stream": stream, "source_partition": name, "first_offset": 1, "records": 1}
    ]
    later = Bench(bench.folder, now=1)
    assert arrivals(list(later.lane().next_batch())) == [-SECOND, *[5 * MINUTE + 1] * 3]


def test_an_arrival_too_far_beyond_the_clock_holds_nothing_back(bench: Bench) -> None:
    bench.append(IMPRESSIONS, 0)
    lane = bench.lane()
    list(lane.next_batch())
    bench.append(IMPRESSIONS, 100 * DAY, SECOND)
    bench.now = SECOND
    assert ("impressions", SECOND) in promises(list(lane.next_batch()))


@dataclass
class Known:
    """A registry that knows of all until an instant."""

    up_to: int

    def look(self, now: int) -> bool:
        return now <= NOW + self.up_to

    def current(self) -> Registry:
        return REGISTRY

    def news(self) -> None:
        return None

    def close(self) -> None:
        pass


def test_no_event_is_judged_before_it_is_known_by_what(bench: Bench) -> None:
    """Be it the first of its partition, or of the run."""
    known = Known(up_to=-1)
    bench.follow = lambda _: known
    bench.append(EVENTS, 0)
    bench.append(IMPRESSIONS, 0)
    lane = bench.lane()
    assert [place[:2] for place in places(list(lane.next_batch()))] == [(IMPRESSIONS, 0)]
    bench.append("events-2.ndjson", 0)
    assert list(places(list(lane.next_batch()))) == []
    known.up_to = 0
    given = [place[:2] for place in places(list(lane.next_batch()))]
    assert given == [(EVENTS, 0), ("events-2.ndjson", 0)]


def reading(first: int, last: int, at: int, stream: str = "events") -> dict[str, Any]:
    return {
        "stream": stream,
        "source_partition": f"{stream}.ndjson",
        "first_offset": first,
        "last_offset": last,
        "read_at": datetime.fromtimestamp((NOW + at) / 1e6, UTC),
    }


def test_what_is_idle_is_carried_and_what_comes_below_counts_later(bench: Bench) -> None:
    bench.append(IMPRESSIONS, -SECOND)
    lane = bench.lane()
    list(lane.next_batch())
    bench.now = GRACE - 1
    assert promises(list(lane.next_batch())) == []
    bench.now = SECOND
    assert promises(list(lane.next_batch())) == [
        ("events", SECOND - GRACE),
        ("impressions", SECOND - GRACE),
    ]
    bench.write(IMPRESSIONS, b"\n")
    bench.append(IMPRESSIONS, -SECOND, None, SECOND - GRACE - 1, SECOND - GRACE, SECOND)
    reads = list(lane.next_batch())
    assert arrivals(reads) == [SECOND - GRACE] * 4 + [SECOND]
    assert rows(reads, "late_records") == [
        {
            "stream": "impressions",
            "source_partition": IMPRESSIONS,
            "first_offset": 2,
            "last_offset": 4,
            "received_at": raw.moment(raw.NOW + SECOND - GRACE),
        }
    ]


@pytest.mark.long
@pytest.mark.parametrize("arrival", [None, -HOUR])
def test_records_that_do_not_move_time_on_do_not_stop_it_either(
    bench: Bench, arrival: int | None
) -> None:
    bench.append(IMPRESSIONS, 0)
    lane = bench.lane()
    reads = list(lane.next_batch())
    while bench.now < 30 * SECOND:
        bench.now += GRACE // 2
        bench.append(IMPRESSIONS, arrival)
        reads += lane.next_batch()
    last = [at for stream, at in promises(reads) if stream == "impressions"][-1]
    assert last >= bench.now - GRACE - STUCK
    assert 0 < len(rows(reads, "late_records")) <= 30 * SECOND // STUCK
    content = (bench.folder / IMPRESSIONS).read_bytes()
    lifted = {row["first_offset"]: row["received_at"] for row in rows(reads, "late_records")}
    again = {offset: round(at.timestamp() * 1e6) for offset, at in lifted.items()}
    mine = sorted((offset, at) for _, offset, at in places(reads))
    assert mine == read_again(IMPRESSIONS, content, again)


def test_a_new_partition_starts_at_what_was_promised_without_it(bench: Bench) -> None:
    lane = bench.lane()
    bench.now = SECOND
    list(lane.next_batch())
    bench.append("impressions-2.ndjson", -HOUR, 2 * SECOND)
    reads = list(lane.next_batch())
    assert arrivals(reads) == [SECOND - GRACE, 2 * SECOND]
    assert [row["last_offset"] for row in rows(reads, "late_records")] == [0]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("loose_max", [0, 99])
def test_partitions_at_rest_are_carried_together_and_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, loose_max: int, *, restarts: bool
) -> None:
    monkeypatch.setattr(polling, "IDLE_AFTER", 0.0)
    monkeypatch.setattr(resting, "LOOSE_MAX", loose_max)
    names = ["impressions-1.ndjson", "impressions-2.ndjson", EVENTS, MEASUREMENTS]
    for name in names:
        bench.append(name, -SECOND)
    bench.write("impressions-3.ndjson", b"")
    lane = bench.lane()
    assert len(arrivals(list(lane.next_batch()))) == 4
    for bench.now in (SECOND, 2 * SECOND, 3 * SECOND):
        reads = list(lane.next_batch())
    carried = 3 * SECOND - GRACE
    assert promises(reads) == [("events", carried), ("impressions", carried)]
    bench.now = 4 * SECOND
    snapshot = lane.snapshot()
    assert (len(snapshot.partitions), bool(snapshot.idle)) == (
        (5, False) if loose_max else (0, True)
    )
    assert snapshot.all_partitions().keys() == {*names, "impressions-3.ndjson"}
    if restarts:
        lane = bench.lane(resumed=snapshot)
    bench.append("impressions-1.ndjson", None, carried - 1, 5 * SECOND)
    bench.append("impressions-3.ndjson", carried + 1)
    bench.append(MEASUREMENTS, -HOUR)
    reads = list(lane.next_batch())
    assert [row["source_offset"] for row in rows(reads, "measurements")] == [1]
    reads = [read for read in reads if read.stream != "measurements"]
    assert arrivals(reads) == [carried, carried, carried + 1, 5 * SECOND]
    assert [
        (row["source_partition"], row["first_offset"], row["last_offset"])
        for row in rows(reads, "late_records")
    ] == [("impressions-1.ndjson", 1, 2)]
    after = lane.snapshot().all_partitions()
    assert {name: each.position.next_offset for name, each in after.items()} == {
        "events.ndjson": 1,
        "impressions-1.ndjson": 4,
        "impressions-2.ndjson": 1,
        "impressions-3.ndjson": 1,
        MEASUREMENTS: 2,
    }


def test_no_more_is_promised_than_holds_for_partitions_at_rest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "IDLE_AFTER", 0.0)
    bench.append("impressions-rests.ndjson", -SECOND)
    lane = bench.lane()
    for bench.now in (0, SECOND, 2 * SECOND):
        list(lane.next_batch())
    bench.append(IMPRESSIONS, 2 * SECOND)
    reads = list(lane.next_batch())
    assert arrivals(reads) == [2 * SECOND]
    assert promises(reads) == [("impressions", 2 * SECOND - GRACE)]
    # Without an arrival of its own, and not the first: it came when the one before it did.
    later = json.dumps(raw.impression(time=raw.NOW + 9 * SECOND, received_at=None)).encode() + b"\n"
    bench.write("impressions-rests.ndjson", later)
    bench.append(IMPRESSIONS, 2 * SECOND)
    assert arrivals(list(lane.next_batch())) == [2 * SECOND - GRACE, 2 * SECOND]


def test_files_that_are_gone_are_remembered(bench: Bench) -> None:
    bench.append(IMPRESSIONS, -SECOND)
    lane = bench.lane()
    list(lane.next_batch())
    (bench.folder / IMPRESSIONS).unlink()
    for bench.now in (SECOND, 2 * SECOND, 3 * SECOND):
        reads = list(lane.next_batch())
    assert ("impressions", 3 * SECOND - GRACE) in promises(reads)
    snapshot = lane.snapshot()
    bench.append(IMPRESSIONS, -SECOND, 2 * SECOND)
    for goes_on in (lane, bench.lane(resumed=snapshot)):
        assert arrivals(list(goes_on.next_batch())) == [3 * SECOND - GRACE]


def test_small_moves_are_not_worth_a_promise(bench: Bench) -> None:
    lane = bench.lane()
    bench.now = SECOND
    assert len(list(lane.next_batch())) == 2
    bench.now += INTERVAL - 1
    assert list(lane.next_batch()) == []
    bench.now += 1
    assert len(list(lane.next_batch())) == 2


def test_what_was_not_looked_at_is_not_carried(bench: Bench) -> None:
    """A file that is far ahead of another waits, and must not count as idle meanwhile."""
    bench.chunk_bytes = 1_500
    bench.append("impressions-slow.ndjson", *(-2 * DAY + number for number in range(20)))
    lane = bench.lane()
    reads: list[DecodedChunk] = []
    while lane.next_awake() is None or not reads:
        bench.append(IMPRESSIONS, bench.now)
        bench.now += SECOND
        reads += list(lane.next_batch())
    reads += list(lane.next_batch())
    assert (rows(reads, "late_records"), len(arrivals(reads))) == ([], 20 + bench.now // SECOND)


def test_a_drained_lane_ends_without_a_promise(bench: Bench) -> None:
    lane = bench.lane()
    bench.is_stopping = True
    with pytest.raises(StopIteration):
        lane.next_batch()


def test_a_backlog_is_read_at_once_and_idleness_waits(bench: Bench) -> None:
    bench.chunk_bytes, backlog = 500, range(-20 * SECOND, -12 * SECOND, SECOND)
    bench.append(IMPRESSIONS, *backlog)
    lane = bench.lane()
    reads = list(lane.next_batch())
    assert lane.next_awake() is None
    while lane.next_awake() is None:
        reads += list(lane.next_batch())
    assert arrivals(reads) == list(backlog)


@pytest.mark.parametrize("is_one_process", [True, False])
def test_two_streams_of_backlog_stay_together(
    bench: Bench, tmp_path: Path, *, is_one_process: bool
) -> None:
    """Days of both streams in two lanes: neither is ever ahead by more than slack and a chunk."""
    step, slack, chunk = HOUR // 4, 2 * HOUR, 8
    bench.lanes, bench.alignment = 2, Alignment.of(2, slack=slack)
    names = ("events.ndjson", "impressions.ndjson", "impressions-2.ndjson")
    for name in names:
        bench.append(name, *(number * step - 4 * DAY for number in range(100)))
    bench.chunk_bytes = chunk * len(document("impressions.ndjson", 0))
    lanes = []
    for number in range(2):
        if not is_one_process:
            bench.alignment = Alignment.through(tmp_path / "alignment", 2, slack=slack)
        lanes.append(bench.lane(number))
    reached: dict[str, int] = {}
    while len(reached) < 3 or min(reached.values()) < 99 * step - 4 * DAY:
        for lane in lanes:
            for partition, _, at in places(list(lane.next_batch())):
                assert at is not None
                reached[partition] = max(at - NOW, reached.get(partition, START))
        if len(reached) == 3:
            assert max(reached.values()) - min(reached.values()) <= slack + chunk * step


# ------------------------------------------------------------------------------------- property

Names = st.sampled_from([EVENTS, IMPRESSIONS, "impressions-2.ndjson"])
Arrival = st.none() | st.integers(-2 * SECOND, SECOND)
Line = st.one_of(Arrival, Arrival, Arrival, st.sampled_from([b"\n", b"{\n"]))
Appended = st.tuples(Names, st.lists(Line, min_size=1, max_size=4))
Step = st.one_of(Appended, Appended, st.integers(-SECOND // 2, SECOND), st.just("crash"))


class Simulation:
    """A lane that is polled, committed, and now and then put back to its last commit."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.reads: list[DecodedChunk] = []
        self.lane = self.bench.lane()
        self.committed: tuple[int, LaneState] = (0, self.lane.snapshot())

    def take(self, step: Any, *, commits: bool) -> None:  # noqa: ANN401  one of the strategies
        if step == "crash":
            count, snapshot = self.committed
            self.reads = self.reads[:count]
            self.lane = self.bench.lane(resumed=snapshot)
        elif isinstance(step, int):
            self.bench.now += step
        else:
            name, lines = step
            for line in lines:
                arrival = line if isinstance(line, bytes | None) else self.bench.now + line
                whole = arrival if isinstance(arrival, bytes) else document(name, arrival)
                self.bench.write(name, whole)
        self.reads += self.lane.next_batch()
        if commits:
            self.committed = (len(self.reads), self.lane.snapshot())

    def lifted(self, partition: str) -> Mapping[int, int]:
        """Return the recorded late_records of a partition, by the offset at which each begins."""
        return {
            row["first_offset"]: round(row["received_at"].timestamp() * 1e6)
            for row in rows(self.reads, "late_records")
            if row["source_partition"] == partition
        }


def read_again(
    name: str, content: bytes, late_records: Mapping[int, int]
) -> list[tuple[int, int | None]]:
    """Decode a file as `verify` does: cut where a late begins."""
    decoder = PartitionDecoder(
        "events" if name == EVENTS else "impressions", name, policy=Policy(), registry=REGISTRY
    )
    lines = content.splitlines(keepends=True)
    found = []
    for first, last in pairwise(sorted({0, *late_records, len(lines)})):
        decoder.raise_to(late_records.get(first, START))
        chunk = Lines.of(b"".join(lines[first:last]))
        decoded = decoder.decode(chunk, chunk.numbered(first))
        assert decoded.parts[0].late is None
        for batch, offset in ((decoded.rows, "line"), (decoded.rejections, "source_offset")):
            base = first if offset == "line" else 0
            found += [
                (row[offset] + base, row["received_at"])
                for row in batch.select([offset, "received_at"]).to_pylist()
            ]
    return sorted(found)


@settings(max_examples=25)
@given(steps=st.lists(st.tuples(Step, st.booleans()), max_size=12))
def test_promises_hold_and_lifts_tell_all(steps: list[tuple[Any, bool]]) -> None:
    with TemporaryDirectory() as path:
        folder = Path(path)
        simulation = Simulation(folder)
        for step, commits in steps:
            simulation.take(step, commits=commits)
        simulation.take(0, commits=True)

        promised = {"events": START, "impressions": START}
        for read in simulation.reads:
            assert read.watermark >= promised[read.stream]
            assert all((at or START) >= promised[read.stream] for _, _, at in places([read]))
            promised[read.stream] = read.watermark

        for file in folder.iterdir():
            mine = sorted(
                (offset, at) for name, offset, at in places(simulation.reads) if name == file.name
            )
            assert mine == read_again(file.name, file.read_bytes(), simulation.lifted(file.name))
