"""A job over Kafka for tests: what writes its topics, and what the oracle needs to read them."""

import logging
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Producer

from connectors.cluster import Cluster
from connectors.topics import Topic, create_topics
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.job import Job
from tests.chaos.ledger import opened
from tests.chaos.writer import Record, Writer
from tests.kafka.topics import IMPATIENT, WAIT_SECONDS_MAX, everything

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
            **{f"topics.{name}": self[name] for name in TOPICS},
        }
        return [
            word for name, value in named.items() for word in ("--set", f"kafka.{name}={value}")
        ]

    def send(self, stream: str, *values: bytes | None, at: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.servers})
        for value in values:
            producer.produce(self[stream], value, partition=at)
        assert producer.flush(WAIT_SECONDS_MAX) == 0

    def dump(self, folder: Path) -> Path:
        """Put everything that was sent into a folder, as the oracle reads it."""
        for stream, count in self.partitions.items():
            (folder / stream).mkdir(exist_ok=True)
            messages = everything(self.servers, self[stream], range(count))
            for at in range(count):
                mine = [(m.offset(), m.value() or b"") for m in messages if m.partition() == at]
                path = folder / stream / f"{self[stream]}-{at}.messages"
                path.write_bytes(msgspec.msgpack.encode(mine))
        return folder


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


class KafkaCampaign(Campaign):
    """A campaign whose log is in topics, with the conversions that were published."""

    def __init__(self, folder: Path, plan: Plan, servers: str) -> None:
        """Make topics, and take a folder that is empty."""
        self.told: list[str] = []
        self.topics = Topics(servers)
        self.topics.create()
        super().__init__(folder, plan, self.told.append)

    def new_job(self, folder: Path) -> Job:
        """Give a job that reads the topics."""
        return KafkaJob(folder, self.topics)

    def new_writer(self, plan: Plan) -> Writer:
        """Give one who writes to the topics."""
        rate = plan.records_per_second
        return TopicWriter(self.job.data, self.topics, seed=plan.seed, records_per_second=rate)

    def log(self) -> Path:
        """Fetch the topics."""
        return self.topics.dump(self.job.data)

    def to_verify(self) -> list[str]:
        """Lead to the topics."""
        return self.topics.settings

    def more_differences(self) -> list[str]:
        """Hold what was published, and what was set aside, against the result."""
        with opened(self.job.database) as connection:
            won = connection.execute(
                "select conversion_id from conversions where outcome = 'attributed'"
            ).fetchall()
            refused = connection.execute(
                """select distinct source_partition || '/' || source_offset from rejections
                where source_index is null"""
            ).fetchall()
        return [
            *_compared("published", {each for (each,) in won}, self._published()),
            *_compared("set aside", {each for (each,) in refused}, self._set_aside()),
        ]

    def _published(self) -> set[str]:
        messages = everything(self.topics.servers, self.topics["conversions"])
        return {(message.key() or b"").decode().partition("/")[2] for message in messages}

    def _set_aside(self) -> set[str]:
        places = set()
        for message in everything(self.topics.servers, self.topics["dead_letters"]):
            headers: list[Any] = list(message.headers() or [])
            said = {name: value.decode() for name, value in headers}
            topic, number, offset = (
                said[f"dlq.{name}"] for name in ("topic", "partition", "offset")
            )
            places.add(f"{topic}-{number}/{offset}")
        return places


def _compared(what: str, expected: set[str], found: set[str]) -> list[str]:
    return [
        *(f"{each} was not {what}" for each in sorted(expected - found)),
        *(f"{each} was {what}, and is not in the result" for each in sorted(found - expected)),
    ]
