"""The registry as a topic: what it says at the start, what it says later, and from when on."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry
from connectors.cluster import Cluster, ClusterError
from connectors.registry_topic import REGISTRY_DELAY, RegistryTopic, known_registry
from connectors.source_reader import SourceTopic
from connectors.source_versions import Known, load_versions, save_versions
from connectors.state import StateDir
from connectors.topics import Topic, create_topics
from tests import raw
from tests.chaos.job import wait_until
from tests.kafka.harness import FollowingJob, Topics, committed_of
from tests.kafka.test_run import asked, rows
from tests.kafka.topics import IMPATIENT, new_topic

SRC = ("adv", "src")
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
        return SourceTopic(Cluster(self.servers, IMPATIENT), self.topic)

    def say(self, value: object, *, key: str = "adv/src", at: int = NOW) -> None:
        """Send a message, at a time in microseconds."""
        text = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        producer = Producer({"bootstrap.servers": self.servers})
        producer.produce(self.topic, text, key, timestamp=at // 1000)
        assert producer.flush(30) == 0

    def known(self) -> Registry:
        return known_registry(self.state, self.source, NOW)

    def follow(self) -> RegistryTopic:
        """Go on from what the state knows."""
        known = load_versions(self.state)
        assert known is not None
        return RegistryTopic(self.source, known, lambda new: save_versions(self.state, new))


@pytest.fixture
def registered(bootstrap_servers: str, tmp_path: Path) -> Registered:
    topic = new_topic(bootstrap_servers, cleanup_policy="compact")
    return Registered(bootstrap_servers, topic, StateDir(tmp_path))


def caught_up(registry: RegistryTopic, now: int, holds: Callable[[], bool]) -> None:
    """Look, at one time, until it is known what there is."""
    assert wait_until(lambda: registry.look(now) and holds())


def names(registry: Registry, *instants: int) -> list[str | None]:
    """Tell what the source was called at some instants."""
    versions = [registry.lookup(*SRC, at=at) for at in instants]
    return [None if version is None else version.name for version in versions]


def test_a_new_state_takes_what_there_is_for_all_time(registered: Registered) -> None:
    registered.say(raw.source(name="first"))
    registered.say(raw.source("gone"), key="adv/gone")
    registered.say(raw.source(name="second"))
    registered.say(None, key="adv/gone")
    registered.say(None, key="adv/never")
    registry = registered.known()
    assert names(registry, 0, NOW) == ["second", "second"]
    assert set(registry.versions) == {SRC}
    assert load_versions(registered.state) == Known(registry.versions, {"0": 5})


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
    caught_up(followed, NOW, lambda: True)
    assert followed.news() is None

    registered.say(raw.source(name="second"), at=NOW)
    registered.say(None, at=NOW + SECOND)
    caught_up(followed, NOW + SECOND, lambda: len(followed.current().versions[SRC]) == 2)
    changed, ended = NOW + REGISTRY_DELAY, NOW + SECOND + REGISTRY_DELAY
    instants = (changed - 1, changed, ended - 1, ended)
    expected = ["first", "second", "second", None]
    wait_until(lambda: followed.look(NOW + SECOND) and names(followed.current(), ended) == [None])
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


def test_what_was_said_meanwhile_counts_from_then(registered: Registered) -> None:
    """But never from before what was judged, however old a message says it is."""
    registered.say(raw.source(name="first"))
    registered.known()
    registered.say(raw.source(name="second"), at=NOW - 3600 * SECOND)
    followed = registered.follow()
    judged = NOW - 1800 * SECOND
    followed.resume(judged)
    caught_up(followed, NOW, lambda: names(followed.current(), NOW) == ["second"])
    assert names(followed.current(), judged, judged + 1) == ["first", "second"]
    registered.say(raw.source(name="third"), at=NOW - 3600 * SECOND)
    caught_up(
        followed, NOW + SECOND, lambda: names(followed.current(), END_OF_TIME - 1) == ["third"]
    )
    assert names(followed.current(), NOW + SECOND, NOW + SECOND + 1) == ["second", "third"]


def test_to_say_the_same_again_changes_nothing(registered: Registered) -> None:
    registered.say(raw.source(name="first"))
    registered.known()
    followed = registered.follow()
    registered.say(raw.source(name="first"))
    registered.say(raw.source("new"), key="adv/new")
    caught_up(followed, NOW, lambda: ("adv", "new") in followed.current().versions)
    (only,) = followed.current().versions[SRC]
    assert (only.valid_from, only.valid_to) == (BEGINNING_OF_TIME, END_OF_TIME)


def test_nobody_judges_while_there_may_be_news(registered: Registered) -> None:
    registered.known()
    followed = registered.follow()
    assert not followed.look(NOW)
    caught_up(followed, NOW, lambda: True)
    assert followed.look(NOW + REGISTRY_DELAY - 1)
    assert not followed.look(NOW + 2 * REGISTRY_DELAY)
    caught_up(followed, NOW + 2 * REGISTRY_DELAY, lambda: True)


def test_a_topic_that_is_missing(bootstrap_servers: str, tmp_path: Path) -> None:
    source = SourceTopic(Cluster(bootstrap_servers), "missing")
    with pytest.raises(ClusterError, match="topic missing does not exist"):
        known_registry(StateDir(tmp_path), source, NOW)


@pytest.fixture
def job(tmp_path: Path, bootstrap_servers: str) -> Iterator[FollowingJob]:
    """Give a job over topics of its own, not started; it ends with the test."""
    topics = Topics(bootstrap_servers)
    topics.create()
    create_topics(Cluster(bootstrap_servers), [Topic(topics["event_sources"], 1)], replication=1)
    job = FollowingJob(tmp_path, topics)
    yield job
    if job.process is not None:
        job.kill()


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


def bought(event_id: str) -> bytes:
    """Write an event that is received now."""
    now = int((datetime.now(UTC) - raw.START).total_seconds() * 1e6)
    return json.dumps(raw.envelope(raw.event(event_id, time=now), received_at=now)).encode()


def judged(job: FollowingJob) -> list[tuple[object, ...]]:
    """Give each event and what it was refused for; of an unknown source only the place is kept."""
    return rows(
        job,
        """select 'early', code from rejections union all
        select event_id, null from conversions order by all""",
    )


def moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
