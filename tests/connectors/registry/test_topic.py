"""The registry as a topic: what it says at the start, what it says later, and from when on."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry
from connectors.kafka.cluster import Cluster, ClusterError
from connectors.kafka.topics import Topic, create_topics
from connectors.registry.follow import FOLLOW_INTERVAL, UNREADABLE_MAX, KeptRegistry
from connectors.registry.kept import Horizon, load_horizon, load_versions, save_horizon
from connectors.registry.reader import REGISTRY_DELAY, SourceReader, SourceTopic
from connectors.registry.source import SourceMessage
from connectors.registry.topic import RegistryTopic, known_registry
from connectors.state.directory import StateDir
from connectors.state.errors import StateError
from tests.chaos.job import wait_until
from tests.support import raw
from tests.support.brokers.broker import Broker
from tests.support.brokers.harness import FollowingJob, Topics, committed_of
from tests.support.brokers.topics import IMPATIENT, new_topic
from tests.whole.kafka.test_run import asked, rows

SRC, NEW, GONE = (("adv", source) for source in ("src", "new", "gone"))
SECOND = raw.SECOND
NOW = int(time.time()) * SECOND


@dataclass
class Registered:
    """A registry topic, and what follows it."""

    servers: str
    topic: str
    state: StateDir

    @property
    def source(self) -> SourceTopic:
        return SourceTopic(Cluster(self.servers, IMPATIENT), self.topic, refresh_seconds=0.1)

    def say(self, *values: object, key: str = "adv/src", at: int = NOW, partition: int = 0) -> None:
        """Send messages, at a time in microseconds."""
        producer = Producer({"bootstrap.servers": self.servers})
        for value in values:
            text = value if isinstance(value, bytes | None) else json.dumps(value).encode()
            producer.produce(self.topic, text, key, partition, timestamp=at // 1000)
        assert producer.flush(30) == 0

    def known(self) -> Registry:
        return known_registry(self.state, self.source, NOW)

    def follow(self) -> RegistryTopic:
        """Go on from what the state knows."""
        return RegistryTopic(self.source, self.state)

    def catch_up(self, registry: RegistryTopic, now: int) -> None:
        """Look, at one time, until all is known that was said before."""

        def is_known() -> bool:
            assert registry.look(now) == (now <= self.up_to)
            return self.up_to == now + REGISTRY_DELAY - 1

        assert wait_until(is_known)

    @property
    def up_to(self) -> int:
        """Up to when the state knows what holds."""
        horizon = load_horizon(self.state)
        assert horizon is not None
        return horizon.up_to

    def make_anew(self, partitions: int = 1) -> None:
        """Make another topic of the same name."""
        admin = Cluster(self.servers).admin()
        [deleted] = admin.delete_topics([self.topic]).values()
        deleted.result()
        again = Topic(self.topic, partitions, {"cleanup.policy": "compact"})
        assert wait_until(lambda: self._creates(again))

    def _creates(self, topic: Topic) -> bool:
        with suppress(ClusterError):
            return create_topics(Cluster(self.servers), [topic], replication=1) == [topic.name]
        return False  # it is still being deleted


@pytest.fixture
def registered(bootstrap_servers: str, tmp_path: Path) -> Registered:
    topic = new_topic(bootstrap_servers, cleanup_policy="compact")
    return Registered(bootstrap_servers, topic, StateDir(tmp_path))


@pytest.fixture
def compacted(apache_broker: Broker, tmp_path: Path) -> Registered:
    """Return one over the broker that deletes topics and records, and adds partitions."""
    servers = apache_broker.bootstrap_servers
    topic = new_topic(servers, cleanup_policy="compact,delete")
    return Registered(servers, topic, StateDir(tmp_path))


def names(registry: Registry, *instants: int) -> list[str | None]:
    """Return the name of the source at some instants."""
    versions = [registry.lookup(*SRC, at=at) for at in instants]
    return [None if version is None else version.name for version in versions]


def spans(registry: RegistryTopic, key: tuple[str, str]) -> list[tuple[str, int, int]]:
    """Return name, begin and end of the versions of a source."""
    versions = registry.current().versions.get(key, ())
    return [(each.name, each.valid_from, each.valid_to) for each in versions]


def test_a_new_state_takes_what_there_is_for_all_time(registered: Registered) -> None:
    registered.say(raw.source(name="first"))
    registered.say(raw.source("gone", name="gone"), key="adv/gone")
    registered.say(raw.source(name="second"))
    registered.say(None, key="adv/gone")
    registered.say(None, key="adv/never")
    registry = registered.known()
    assert names(registry, 0, NOW) == ["second", "second"]
    assert set(registry.versions) == {SRC}
    known = load_versions(registered.state)
    assert known is not None
    assert (known.versions, known.read.offsets) == (registry.versions, {"0": 5})


@pytest.mark.parametrize(
    "faulty",
    [b"{", raw.source(event_types=["x"]), raw.source("other"), [raw.source()]],
)
def test_a_faulty_message_changes_nothing(
    registered: Registered, faulty: object, caplog: pytest.LogCaptureFixture
) -> None:
    registered.say(raw.source(name="first"))
    registered.say(faulty)
    assert names(registered.known(), NOW) == ["first"]
    assert f"event source at {registered.topic}-0 offset 1 is refused" in caplog.text
    assert "src" not in caplog.text.replace(registered.topic, "")


def test_a_change_takes_effect_after_the_delay(registered: Registered) -> None:
    registered.say(raw.source(name="first"))
    registered.known()
    followed = registered.follow()
    registered.catch_up(followed, NOW + SECOND)
    assert followed.news() is None

    registered.say(raw.source(name="second"), at=NOW + 2 * SECOND)
    registered.say(None, at=NOW + 3 * SECOND)
    registered.catch_up(followed, NOW + 3 * SECOND)
    changed, ended = (NOW + seconds * SECOND + REGISTRY_DELAY for seconds in (2, 3))
    instants = (changed - 1, changed, ended - 1, ended)
    expected = ["first", "second", "second", None]
    assert names(followed.current(), *instants) == expected

    news = followed.news()
    assert news is not None
    columns = ("name", "valid_from", "valid_to")
    assert [tuple(row[name] for name in columns) for row in news.to_pylist()] == [
        ("first", None, moment(changed)),
        ("second", moment(changed), moment(ended)),
    ]
    assert followed.news() is None
    assert names(registered.known(), *instants) == expected


def test_what_was_told_of_a_source_is_taken_back_by_later_rows(registered: Registered) -> None:
    """Be it deleted, by a clock that is behind, before it holds: without rows it would go on."""
    registered.known()
    followed = registered.follow()
    registered.say(raw.source("new", name="new"), key="adv/new", at=NOW + SECOND)
    registered.catch_up(followed, NOW + SECOND)
    assert followed.news() is not None
    registered.say(None, key="adv/new", at=NOW + SECOND // 2)
    registered.catch_up(followed, NOW + 2 * SECOND)
    begin = NOW + SECOND + REGISTRY_DELAY
    assert spans(followed, NEW) == [("new", begin, begin + 1)]
    news = followed.news()
    assert news is not None
    assert [row["valid_to"] for row in news.to_pylist()] == [moment(begin + 1)]


def test_what_was_said_meanwhile_counts_from_then(registered: Registered) -> None:
    """But never from an instant by which was judged, however old a message says it is."""
    registered.say(raw.source(name="first"))
    registered.known()
    registered.say(raw.source(name="second"), at=NOW + 600 * SECOND)
    later = NOW + 1800 * SECOND
    followed = registered.follow()
    registered.catch_up(followed, later)
    changed = NOW + 600 * SECOND + REGISTRY_DELAY
    assert names(followed.current(), changed - 1, changed) == ["first", "second"]

    registered.say(raw.source(name="third"), at=NOW - 3600 * SECOND)
    judged = registered.up_to
    for again in (followed, registered.follow()):
        registered.catch_up(again, later + 10 * SECOND)
        assert names(again.current(), judged, judged + 1) == ["second", "third"]
        later += 10 * SECOND


def test_to_say_the_same_again_changes_nothing(registered: Registered) -> None:
    registered.say(raw.source(name="first"))
    registered.known()
    followed = registered.follow()
    registered.say(raw.source(name="first"))
    registered.say(raw.source("new", name="new"), key="adv/new")
    registered.catch_up(followed, NOW + SECOND)
    assert spans(followed, SRC) == [("first", BEGINNING_OF_TIME, END_OF_TIME)]
    assert spans(followed, NEW) == [("new", NOW + REGISTRY_DELAY, END_OF_TIME)]


def test_nobody_judges_while_there_may_be_news(registered: Registered) -> None:
    registered.known()
    followed = registered.follow()
    assert not followed.look(NOW + 1)
    registered.catch_up(followed, NOW + 2 * SECOND)
    assert followed.look(NOW + 2 * SECOND + REGISTRY_DELAY - 1)
    assert not followed.look(NOW + 3 * REGISTRY_DELAY)
    registered.catch_up(followed, NOW + 3 * REGISTRY_DELAY)


@pytest.mark.long
def test_what_is_safe_in_the_topic_is_known(registered: Registered) -> None:
    """What a broker answers to the question where the topic ends is not enough to say so."""
    heard, said = list[SourceMessage](), 0
    reader = SourceReader(registered.source, heard.clear)
    for number in range(30):
        several = [raw.source(name=f"{number}.{at}") for at in range(number % 4)]
        registered.say(*several)
        said += len(several)
        reader.ask()
        until = time.monotonic() + 0.1  # for the answer, while nothing is taken in
        while time.monotonic() < until:
            assert not reader.has_given_all()
        while not reader.has_given_all():
            heard += reader.messages(0.01)
        assert len(heard) == said
    reader.close()


def test_the_last_word_counts_in_whatever_partition_it_is(
    bootstrap_servers: str, tmp_path: Path
) -> None:
    topic = new_topic(bootstrap_servers, 2, cleanup_policy="compact")
    registered = Registered(bootstrap_servers, topic, StateDir(tmp_path))
    for partition, name in ((1, "third"), (0, "first"), (0, "second")):
        at = NOW + {"first": -2, "second": -1, "third": 0}[name] * SECOND
        registered.say(raw.source(name=name), partition=partition, at=at)
    assert names(registered.known(), NOW) == ["third"]
    followed = registered.follow()
    registered.catch_up(followed, NOW + SECOND)
    assert spans(followed, SRC) == [("third", BEGINNING_OF_TIME, END_OF_TIME)]


def test_a_topic_made_anew_while_the_job_was_down(compacted: Registered) -> None:
    """At least as long as before; what it does not say any more has ended, the rest has not."""
    compacted.say(raw.source(name="first"))
    compacted.say(raw.source("gone", name="gone"), key="adv/gone")
    compacted.known()
    compacted.make_anew()
    for name in ("another", "first"):
        compacted.say(raw.source(name=name), at=NOW - 10 * SECOND)
    compacted.say(raw.source("new", name="new"), key="adv/new", at=NOW - 3600 * SECOND)
    followed = compacted.follow()
    now = NOW + 100 * SECOND
    compacted.catch_up(followed, now)
    assert spans(followed, SRC) == [("first", BEGINNING_OF_TIME, END_OF_TIME)]
    assert spans(followed, NEW) == [("new", NOW + 1, END_OF_TIME)]
    assert spans(followed, GONE) == [("gone", BEGINNING_OF_TIME, now)]


def test_a_topic_made_anew_while_it_is_followed(compacted: Registered) -> None:
    compacted.say(raw.source(name="first"))
    compacted.known()
    followed = compacted.follow()
    compacted.catch_up(followed, NOW + SECOND)
    compacted.make_anew()
    compacted.say(raw.source("new", name="new"), key="adv/new", at=NOW + 2 * SECOND)
    later = itertools.count(NOW + 2 * SECOND, SECOND // 50)
    assert wait_until(lambda: followed.look(next(later)) is None or bool(spans(followed, NEW)))
    [(_, begin, _)], [(_, _, end)] = spans(followed, NEW), spans(followed, SRC)
    assert begin >= NOW + 2 * SECOND + REGISTRY_DELAY
    assert NOW + SECOND + REGISTRY_DELAY <= end < next(later) + REGISTRY_DELAY


def test_a_deletion_that_was_compacted_away(compacted: Registered) -> None:
    compacted.say(raw.source("gone", name="gone"), key="adv/gone")
    compacted.say(raw.source(name="first"))
    compacted.known()
    compacted.say(None, key="adv/gone")
    place = TopicPartition(compacted.topic, 0, 3)
    admin = Cluster(compacted.servers).admin()
    [deleted] = admin.delete_records([place]).values()
    deleted.result()
    compacted.say(raw.source(name="first"))
    followed = compacted.follow()
    now = NOW + 100 * SECOND
    compacted.catch_up(followed, now)
    assert spans(followed, GONE) == [("gone", BEGINNING_OF_TIME, now)]
    assert spans(followed, SRC) == [("first", BEGINNING_OF_TIME, END_OF_TIME)]


def test_partitions_that_are_added(compacted: Registered) -> None:
    compacted.known()
    followed = compacted.follow()
    compacted.catch_up(followed, NOW + SECOND)
    admin = Cluster(compacted.servers).admin()
    [added] = admin.create_partitions([NewPartitions(compacted.topic, 2)]).values()
    added.result()
    compacted.say(raw.source("new", name="new"), key="adv/new", partition=1, at=NOW + 2 * SECOND)
    later = itertools.count(NOW + 2 * SECOND, SECOND)
    assert wait_until(lambda: followed.look(next(later)) is None or bool(spans(followed, NEW)))


def test_other_lanes_judge_by_what_one_has_kept(registered: Registered) -> None:
    registered.say(raw.source(name="first"))
    registered.known()
    other = KeptRegistry(registered.state)
    followed = registered.follow()
    assert not other.look(NOW + 1)
    registered.say(raw.source(name="second"), at=NOW + SECOND)
    registered.catch_up(followed, NOW + SECOND)
    assert not other.look(NOW + 2), "not every time"
    assert other.look(registered.up_to)
    assert other.current() == followed.current()
    assert not other.look(registered.up_to + 1)
    registered.catch_up(followed, NOW + 2 * SECOND)
    assert other.look(registered.up_to)

    registered.say(raw.source(name="third"), at=NOW + 3 * SECOND)
    before = registered.state.registry_file.read_bytes()
    registered.catch_up(followed, NOW + 3 * SECOND)
    kept = registered.state.registry_file.read_bytes()
    registered.state.registry_file.write_bytes(before)
    assert not other.look(registered.up_to), "the versions have not come yet"
    registered.state.registry_file.write_bytes(kept)
    assert other.look(registered.up_to + FOLLOW_INTERVAL) is False
    assert other.current() == followed.current()


def test_what_is_kept_may_be_unreadable_for_a_while(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    save_horizon(state, Horizon(NOW, 1))
    other = KeptRegistry(state)
    looks = itertools.count(NOW, FOLLOW_INTERVAL)
    assert not other.look(next(looks))
    state.horizon_file.write_text("{}")
    for _ in range(UNREADABLE_MAX):
        assert not other.look(next(looks))
    with pytest.raises(StateError, match=r"horizon\.json cannot be read"):
        other.look(next(looks))


def test_a_topic_that_is_missing(bootstrap_servers: str, tmp_path: Path) -> None:
    source = SourceTopic(Cluster(bootstrap_servers), "missing")
    with pytest.raises(ClusterError, match="topic missing does not exist"):
        known_registry(StateDir(tmp_path), source, NOW)


@pytest.fixture
def job(tmp_path: Path, bootstrap_servers: str) -> Iterator[FollowingJob]:
    """Yield a job over topics of its own, not started; it ends with the test."""
    topics = Topics(bootstrap_servers)
    topics.create()
    create_topics(Cluster(bootstrap_servers), [Topic(topics["event_sources"], 1)], replication=1)
    job = FollowingJob(tmp_path, topics)
    yield job
    if job.process is not None:
        job.kill()


@pytest.mark.long
def test_an_event_is_judged_by_the_registry_of_its_arrival(job: FollowingJob) -> None:
    """Unknown first, known a delay after it was registered, and for good; verify agrees."""
    registered = Registered(job.topics.servers, job.topics["event_sources"], StateDir(job.state))
    job.start()
    job.topics.send("events", bought("early"))
    assert wait_until(lambda: sum(committed_of(job).values()) == 1), job.said
    registered.say(raw.source(), at=time.time_ns() // 1000)
    time.sleep(REGISTRY_DELAY / 1e6 + 0.5)
    job.topics.send("events", bought("late"))
    assert wait_until(lambda: sum(committed_of(job).values()) == 2), job.said
    assert job.drain() == 0, job.said
    job.topics.send("events", bought("later"))

    def decided() -> bool:
        job.start()
        job.wait_until_it_writes()
        job.wait(1.5)
        assert job.drain() == 0, job.said
        return len(judged(job)) == 3

    assert wait_until(decided)
    assert judged(job) == [("early", "REFERENCE_NOT_FOUND"), ("late", None), ("later", None)]
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said


@pytest.mark.long
def test_an_event_from_ahead_is_judged_by_the_registry_of_its_reading(job: FollowingJob) -> None:
    """It takes its partition along, for good; what is registered later is known all the same."""
    registered = Registered(job.topics.servers, job.topics["event_sources"], StateDir(job.state))
    believed = ("--set", "policy.clock_skew=400d")  # or it would count as without an arrival
    job.start(*believed)
    job.topics.send("events", bought("early", ahead=365 * raw.DAY))
    assert wait_until(lambda: sum(committed_of(job).values()) == 1), job.said
    assert job.drain() == 0, job.said
    job.start(*believed)
    registered.say(raw.source(), at=time.time_ns() // 1000)
    time.sleep(REGISTRY_DELAY / 1e6 + 0.5)
    job.topics.send("events", bought("late"))
    job.topics.send("events", bought("elsewhere"), at=1)
    assert wait_until(lambda: sum(committed_of(job).values()) == 3), job.said
    assert job.drain() == 0, job.said
    assert rows(job, "select code, source_offset from rejections") == [("REFERENCE_NOT_FOUND", 0)]
    told = "select first_offset, last_offset from future_records order by all"
    assert rows(job, told) == [(0, 0), (1, 1)]
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said


PROCESSES = ("--processes", "2", "--set", "kafka.dead_letters.max_ratio=1")


@pytest.mark.long
def test_all_processes_judge_by_the_same_registry(job: FollowingJob) -> None:
    """Also where nothing says when the change was made, so that the job decides."""
    registered = Registered(job.topics.servers, job.topics["event_sources"], StateDir(job.state))
    # How many are refused in a row is up to the machine.
    job.start(*PROCESSES, "--set", "kafka.dead_letters.max_consecutive=1000000")
    sent = 0

    def send_for(seconds: float) -> None:
        nonlocal sent
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for partition in range(2):
                job.topics.send("events", bought(str(sent)), at=partition)
                sent += 1

    send_for(2.0)
    assert wait_until(lambda: sum(committed_of(job).values()) == sent), job.said
    registered.say(raw.source(), at=NOW - 3600 * SECOND)
    send_for(2 * REGISTRY_DELAY / 1e6)
    assert wait_until(lambda: sum(committed_of(job).values()) == sent), job.said
    assert job.drain() == 0, job.said
    accepted = "select distinct source_partition from conversions"
    refused = "select distinct source_partition from rejections"
    assert len(rows(job, accepted)) == len(rows(job, refused)) == 2
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said


def bought(event_id: str, *, ahead: int = 0) -> bytes:
    """Write an event that is received now, or says that it is so much later."""
    now = int((datetime.now(UTC) - raw.START).total_seconds() * 1e6)
    event = raw.event(event_id, time=now)
    return json.dumps(raw.envelope(event, received_at=now + ahead)).encode()


def judged(job: FollowingJob) -> list[tuple[object, ...]]:
    """Return each event and its refusal; of an unknown source only the place is kept."""
    return rows(
        job,
        """select 'early', code from rejections union all
        select event_id, null from conversions order by all""",
    )


def moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
