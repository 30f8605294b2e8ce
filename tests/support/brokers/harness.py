"""A job over Kafka for tests, and what writes its topics."""

import logging
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException, Producer, TopicPartition

from connectors.kafka.cluster import Cluster
from connectors.kafka.topics import Topic, create_topics
from tests.chaos.job import PATIENCE, Job
from tests.chaos.writer import Record, Writer
from tests.support.brokers.topics import IMPATIENT, ONCE, WAIT_SECONDS_MAX

PARTITIONS = 3
TAG_LENGTH = 8


def _tag() -> str:
    return uuid.uuid4().hex[:TAG_LENGTH]


@dataclass(frozen=True)
class Topics:
    """All topics of one job, which no other test knows; `partitions` may grow."""

    servers: str
    partitions: dict[str, int] = field(
        default_factory=lambda: {"events": PARTITIONS, "impressions": PARTITIONS}
    )
    tag: str = field(default_factory=_tag)

    def __getitem__(self, name: str) -> str:
        return f"{name}-{self.tag}"

    def create(self) -> None:
        planned = [Topic(self[name], self.partitions.get(name, 1)) for name in TOPICS]
        create_topics(Cluster(self.servers), planned, replication=1)

    @property
    def settings(self) -> list[str]:
        """The options that lead a command to the topics."""
        named = {
            "bootstrap_servers": self.servers,
            "group": self.tag,
            **{f"options.{name}": value for name, value in IMPATIENT.items()},
            **{f"topics.{name}": self[name] for name in (*TOPICS, "measurements")},
        }
        return [
            word for name, value in named.items() for word in ("--set", f"kafka.{name}={value}")
        ]

    def send(self, stream: str, *values: bytes | None, at: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.servers} | ONCE)
        for value in values:
            producer.produce(self[stream], value, partition=at)
        assert producer.flush(WAIT_SECONDS_MAX) == 0


TOPICS = ("events", "impressions", "conversions", "dead_letters")


@dataclass(slots=True)
class KafkaJob(Job):
    """A job that reads topics; its event sources are in the file of its folder."""

    topics: Topics

    @property
    def reads(self) -> list[str]:
        """The options that say what to read."""
        sources = str(self.data / "event_sources.json")
        return ["--sources", sources, *self.topics.settings, "--set", "kafka.publish=true"]


class FollowingJob(KafkaJob):
    """A job whose event sources are in a topic."""

    @property
    def reads(self) -> list[str]:
        """The options that say what to read."""
        topic = f"kafka.topics.event_sources={self.topics['event_sources']}"
        return [*self.topics.settings, "--set", topic, "--set", "kafka.publish=true"]


def committed_of(job: KafkaJob) -> dict[str, int]:
    """Return the offsets that the group of a job was told, where it was told any."""
    consumer = Cluster(job.topics.servers).consumer(job.topics.tag, print)
    places = [
        TopicPartition(job.topics[stream], at)
        for stream, count in job.topics.partitions.items()
        for at in range(count)
    ]
    try:
        told = consumer.committed(places, timeout=PATIENCE)
    except KafkaException:  # a coordinator is only found, or made, when first asked for
        told = []
    consumer.close()
    return {f"{each.topic}-{each.partition}": each.offset for each in told if each.offset > 0}


class TopicWriter(Writer):
    """Writes records to topics, most of them to the first partitions."""

    def __init__(self, folder: Path, topics: Topics, *, seed: int, records_per_second: int) -> None:
        """Generate what to write."""
        super().__init__(folder, seed=seed, records_per_second=records_per_second)
        self._topics = topics
        self._any = random.Random(seed + 1)  # noqa: S311  not a secret
        options = {"bootstrap.servers": topics.servers, "topic.metadata.refresh.interval.ms": 500}
        self._producer = Producer(options, logger=logging.getLogger("tests"))

    def grant(self, bursts: int) -> None:
        """Allow more than asked for: without records there are no commits to wait for."""
        super().grant(4 * bursts)

    def stop(self) -> None:
        """End, and wait until all is in the topics."""
        super().stop()
        assert self._producer.flush(WAIT_SECONDS_MAX) == 0

    def _now_and_then(self, records: Iterator[Record]) -> None:
        """Change nothing: partitions are added by tests that can."""

    def _write(self, stream: str, line: bytes) -> None:
        last = self._topics.partitions[stream] - 1
        at = min(int(self._any.expovariate(0.7)), last)
        value: bytes | None = self._troubled(line)
        if self._any.random() < 0.02:
            value = value and value.replace(b",", b",\n", 1)
        elif self._any.random() < 0.005:
            value = None
        try:
            self._producer.produce(self._topics[stream], value, partition=at)
        except KafkaException:  # has not heard of the new partition yet
            self._producer.produce(self._topics[stream], value, partition=0)
        self._producer.poll(0)
        self.written += 1
