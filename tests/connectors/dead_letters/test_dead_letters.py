"""Refused documents: set aside as they came, listed without their content, and sent again."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Message, Producer
from typer.testing import CliRunner

from attribution.columnar.frames import DecodedChunk, Rows
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.dead_letters import letters as dead_letters
from connectors.dead_letters.limit import DeadLetterLimit, LimitState, TooManyDeadLettersError
from connectors.dead_letters.topic import DeadLetterSink
from connectors.kafka.cluster import Cluster
from connectors.kafka.intake import KafkaIntakes
from connectors.lanes.alignment import Alignment
from connectors.lanes.rules import Rules
from connectors.lanes.source import LiveLane, LiveSource
from flows.cli.app import app
from flows.kafka.dead_letters import HEADERS
from tests.support.brokers.topics import IMPATIENT, WAIT_SECONDS_MAX, everything, new_topic
from tests.support.brokers.wire import send_raw

NOW = 1_777_231_802_120_000
"""2026-04-26T19:30:02.120Z, when all that is read has arrived."""

Record = tuple[bytes | None, bytes | None, list[tuple[str, str | bytes | None]]]
"""Key, value and headers."""

GOOD = json.dumps(
    {
        "advertiser_id": "12345",
        "impression_id": "i1",
        "type": "click",
        "time": "2026-04-26T19:20:07Z",
        "campaign_id": "shoes",
    }
).encode()
BAD: list[Record] = [
    (b"k\xff", b'{"advertiser_id": \xff}', [("trace", b"\x00\x01"), ("trace", b"2"), ("no", None)]),
    (None, None, []),
    (b"", b"", []),
    (b"k3", GOOD.replace(b"click", b"clack"), [("dlq.reason", b"mine")]),
]
"""Not UTF-8, without a value, with an empty one, and refused by the contract."""


def clock() -> int:
    return NOW


@dataclass(frozen=True)
class Job:
    """A lane, and the sink that its dead letters go to."""

    servers: str
    events: str
    impressions: str
    letters: str
    lane: LiveLane

    @property
    def options(self) -> list[str]:
        named = {
            "bootstrap_servers": self.servers,
            **{f"options.{name}": value for name, value in IMPATIENT.items()},
            "topics.events": self.events,
            "topics.impressions": self.impressions,
            "topics.dead_letters": self.letters,
        }
        return [
            word for name, value in named.items() for word in ("--set", f"kafka.{name}={value}")
        ]

    def send(self, topic: str, records: Iterable[Record], at: int = 1) -> None:
        producer = Producer({"bootstrap.servers": self.servers})
        for key, value, headers in records:
            producer.produce(topic, value=value, key=key, headers=headers, partition=at)
        assert producer.flush(WAIT_SECONDS_MAX) == 0

    def read(self, records: int) -> list[DecodedChunk]:
        """Read as many documents; set aside what was refused, and end the epoch."""
        reads: list[DecodedChunk] = []
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while sum(read.records for read in reads) < records:
            assert time.monotonic() < deadline, f"still waiting; has {reads}"
            reads += [read for read in self.lane.next_batch() if read.records]
            time.sleep(0.005)
        sink = DeadLetterSink(Cluster(self.servers), self.letters, clock)
        part = sink.build_part("dead_letters", "dead_letters", None)
        part.write_batch([Rows(read.tables) for read in reads])
        part.snapshot()
        return reads

    def set_aside(self) -> list[Message]:
        return everything(self.servers, self.letters, range(2))

    def run(self, *command: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["dead-letters", *command, *self.options])
        # Without log lines: other tests of this process may have set up logging.
        lines = done.output.splitlines(keepends=True)
        return done.exit_code, "".join(line for line in lines if not line.startswith('{"event"'))


@contextmanager
def job_on(servers: str, limit: DeadLetterLimit | None = None) -> Iterator[Job]:
    events, impressions, letters = (new_topic(servers, 2) for _ in range(3))
    intakes = KafkaIntakes(
        Cluster(servers), {"events": events, "impressions": impressions}, lanes=1
    )
    registry = Registry.from_documents([], allow_unregistered=True)
    rules = Rules(Policy(), registry, clock, 0, 0, dead_letters=limit or DeadLetterLimit())
    source = LiveSource(intakes, 1, rules, lambda: False, Alignment.of(1))
    lane = source.build_part("read", "0", None)
    try:
        yield Job(servers, events, impressions, letters, lane)
    finally:
        lane.close()


@pytest.fixture
def job(bootstrap_servers: str) -> Iterator[Job]:
    with job_on(bootstrap_servers) as job:
        yield job


def sorted_out(message: Message) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """Return their headers, and ours."""
    headers: list[Any] = list(message.headers() or [])
    ours = {name: value.decode() for name, value in headers if name.startswith("dlq.")}
    return [each for each in headers if not each[0].startswith("dlq.")], ours


def test_refused_documents_are_set_aside_as_they_came(job: Job) -> None:
    job.send(job.impressions, [BAD[0], (b"k", GOOD, []), *BAD[1:]])
    job.read(5)
    found = {}
    for message in job.set_aside():
        theirs, ours = sorted_out(message)
        found[int(ours["dlq.offset"])] = message.key(), message.value(), theirs, ours
    assert {at: record[:3] for at, record in found.items()} == {
        0: BAD[0],
        2: BAD[1],
        3: BAD[2],
        4: (*BAD[3][:2], []),
    }
    assert found[4][3] == {
        "dlq.reason": "INVALID_TYPE",
        "dlq.message": found[4][3]["dlq.message"],
        "dlq.topic": job.impressions,
        "dlq.partition": "1",
        "dlq.offset": "4",
        "dlq.at": "2026-04-26T19:30:02.120000Z",
    }
    assert "type" in found[4][3]["dlq.message"]


def test_partitions_that_are_read_together_are_not_mixed_up(job: Job) -> None:
    job.send(job.impressions, [(None, b"one", []), (b"k", GOOD, [])], at=0)
    job.send(job.impressions, [(b"k", GOOD, []), (None, b"two", [])])
    job.read(4)
    ours = [(each.value(), sorted_out(each)[1]) for each in job.set_aside()]
    found = {value: (each["dlq.partition"], each["dlq.offset"]) for value, each in ours}
    assert found == {b"one": ("0", "0"), b"two": ("1", "1")}


def test_an_envelope_is_set_aside_and_a_single_event_is_not(job: Job) -> None:
    event = {"event_id": "e", "event_type": "purchase", "event_time": "2026-04-26T19:30:00Z"}
    frame = {"advertiser_id": "a", "event_source_id": "s", "received_at": "2026-04-26T19:30:00Z"}
    whole = json.dumps({**frame, "adcp_version": "4.0", "events": [event]}).encode()
    single = json.dumps({**frame, "events": [event, {"event_id": "f"}]}).encode()
    job.send(job.events, [(None, whole, []), (None, single, [])])
    (read,) = job.read(2)
    assert read.tables["rejections"].num_rows == 2
    (letter,) = job.set_aside()
    assert letter.value() == whole


@pytest.mark.long
def test_what_is_sent_again_is_linked_to_its_rejection(job: Job) -> None:
    job.send(job.impressions, BAD)
    assert not any("resent_records" in read.tables for read in job.read(4))
    assert job.run("replay") == (2, "4 dead letters would be sent again; add --yes\n")
    selected = ["replay", "--code", "INVALID_TYPE", "--offset", "3", "--offset", "0", "--yes"]
    assert job.run(*selected) == (0, "sent 1 dead letters again\n")
    partition = f"{job.impressions}-1"
    (read,) = job.read(1)
    link = {"stream": "impressions", "source_partition": partition, "source_offset": 4}
    link |= {"rejected_partition": partition, "rejected_offset": 3}
    assert read.tables["resent_records"].to_pylist() == [link]
    letters = {sorted_out(each)[1]["dlq.offset"]: each for each in job.set_aside()}
    assert (letters["4"].key(), letters["4"].value()) == BAD[3][:2]
    assert sorted_out(letters["4"])[1]["dlq.replay_of"] == f"{job.impressions}/1/3"


def test_what_is_sent_again_is_as_it_was(job: Job) -> None:
    job.send(job.impressions, BAD)
    job.read(4)
    assert job.run("replay", "--yes") == (0, "sent 4 dead letters again\n")
    found = {}
    for message in everything(job.servers, job.impressions, [1])[4:]:
        theirs, ours = sorted_out(message)
        found[ours["dlq.replay_of"]] = message.key(), message.value(), theirs
    assert found == {
        f"{job.impressions}/1/{at}": (key, value, [] if at == 3 else headers)
        for at, (key, value, headers) in enumerate(BAD)
    }


@pytest.mark.long
def test_a_list_has_no_content(job: Job) -> None:
    assert job.run("list") == (0, "no dead letters\n")
    job.send(job.impressions, BAD)
    job.read(4)
    code, shown = job.run("list", "--code", "INVALID_TYPE")
    assert code == 0
    assert shown.split()[:7] == list(HEADERS)
    (line,) = shown.splitlines()[2:]
    expected = ["2026-04-26T19:30:02.120000Z", job.impressions, "1", "3", "INVALID_TYPE"]
    assert line.split()[:6] == [*expected, str(len(BAD[3][1] or b""))]
    assert "shoes" not in shown
    assert len(job.run("list", "--limit", "3")[1].splitlines()) == 5


@pytest.mark.long
def test_copies_that_a_crash_left_count_once(job: Job) -> None:
    job.send(job.impressions, BAD)
    reads = job.read(4)
    sink = DeadLetterSink(Cluster(job.servers), job.letters, clock)
    part = sink.build_part("dead_letters", "dead_letters", 0)
    part.write_batch([Rows(read.tables) for read in reads])
    part.snapshot()
    assert len(job.set_aside()) == 8
    assert job.run("replay")[1].startswith("4 dead letters")


@pytest.mark.long
def test_what_is_too_large_leaves_its_place(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LETTER_BYTES_MAX", 99)
    job.send(job.impressions, [(b"k", b"x" * 90, [("name", b"12345")]), (b"k", b"x" * 90, [])])
    job.read(2)
    large, small = sorted(job.set_aside(), key=lambda each: len(each.value() or b""))
    assert (large.key(), large.value(), small.key()) == (None, None, b"k")
    assert sorted_out(large)[0] == []
    assert sorted_out(large)[1]["dlq.omitted"] == "100"
    assert "not kept" in job.run("list")[1]
    told = "1 were too large to be kept, and cannot be sent\nsent 1 dead letters again\n"
    assert job.run("replay", "--yes") == (0, told)


def test_foreign_records_and_topics_are_left_alone(job: Job) -> None:
    reason = ("dlq.reason", b"X")
    wrong = [("dlq.topic", b"other"), ("dlq.partition", b"-1"), ("dlq.offset", b"x")]
    job.send(job.letters, [(None, b"?", []), (None, b"?", [reason, *wrong])])
    assert job.run("list") == (0, "no dead letters\n")
    place = [("dlq.topic", b"other"), ("dlq.partition", b"0"), ("dlq.offset", b"7")]
    job.send(job.letters, [(None, b"?", [reason, *place])])
    told = "1 are of topics that the settings do not name\nno dead letters to send\n"
    assert job.run("replay", "--yes") == (0, told)


def test_a_foreign_record_whose_headers_cannot_be_read_is_left_alone(job: Job) -> None:
    send_raw(job.servers, job.letters, b"foreign", (b"gr\xfc\xdf", b"no UTF-8"))
    job.send(job.impressions, [BAD[1]])
    job.read(1)
    code, said = job.run("list")
    assert (code, job.impressions in said, said.count("\n")) == (0, True, 3), said


def test_a_forged_link_is_none(job: Job) -> None:
    forged: list[Record] = [
        (None, GOOD, [("dlq.replay_of", said)])
        for said in (b"", b"a/1/x", b"\xff/1/1", b"a/1/" + b"9" * 30, None)
    ]
    job.send(job.impressions, forged)
    assert not any("resent_records" in read.tables for read in job.read(5))


def test_a_bad_deploy_stops_the_job_before_it_drains_the_topic(bootstrap_servers: str) -> None:
    limit = DeadLetterLimit(window=10, max_ratio=0.5, max_consecutive=100)
    with job_on(bootstrap_servers, limit) as job:
        good: Record = (b"k", GOOD, [])
        job.send(job.impressions, [good, BAD[3]] * 10)
        job.read(20)
        job.send(job.impressions, [BAD[3]] * 8)
        with pytest.raises(TooManyDeadLettersError) as raised:
            job.read(8)
        assert len(job.set_aside()) == 10
    assert str(raised.value) == (
        f"{job.impressions}-1: 9 of 10 records are refused as a whole, the latest with "
        "INVALID_TYPE; expected at most 50% of 10, and 100 in a row. Mend what sends them, or let "
        "them pass: --set kafka.dead_letters.max_ratio=1 "
        "--set kafka.dead_letters.max_consecutive=1000000000"
    )


@pytest.mark.parametrize(
    ("chunks", "is_too_much"),
    [
        ("ab", False),  # fewer than a window: nothing is known yet
        ("bbb", False),
        ("aabb", False),  # exactly half
        ("abbb", True),
        ("aabb bb", True),  # the window spans chunks
        ("bbaa aabb aabb", False),
        ("aabbbbaa", True),  # in the middle of a chunk
    ],
)
def test_the_ratio_is_taken_over_any_window(chunks: str, *, is_too_much: bool) -> None:
    limit = DeadLetterLimit(window=4, max_ratio=0.5, max_consecutive=100)
    assert is_over(limit, chunks) == is_too_much


@pytest.mark.parametrize(
    ("chunks", "is_too_much"),
    [
        ("abbb", False),
        ("abbbb", True),
        ("ab bb", False),
        ("ab bb b", True),
        ("bbb abbb ab", False),
        ("bbbb", True),
        ("bb  bb", True),  # a poll without records of the partition between
    ],
)
def test_those_in_a_row_are_counted_across_chunks(chunks: str, *, is_too_much: bool) -> None:
    limit = DeadLetterLimit(window=4, max_ratio=1, max_consecutive=3)
    assert is_over(limit, chunks) == is_too_much


def test_partitions_are_counted_apart() -> None:
    watch = DeadLetterLimit(window=4, max_ratio=0.5, max_consecutive=2).watch({})
    for partition in ("p-0", "p-1", "p-2"):
        watch.count(partition, np.array([True, True]), "X")


def is_over(limit: DeadLetterLimit, chunks: str) -> bool:
    """Take chunks of records, b for a bad one, each after a restart; tell if they are too many."""
    kept: LimitState = {}
    try:
        for chunk in chunks.split(" "):
            watch = limit.watch(kept)
            watch.count("p-0", np.array([each == "b" for each in chunk], dtype=bool), "X")
            kept = watch.kept
    except TooManyDeadLettersError:
        return True
    return False
