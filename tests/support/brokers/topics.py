"""Topics of their own for each test, and what is in them."""

import time
import uuid
from collections.abc import Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, TopicPartition

from connectors.kafka.cluster import Cluster
from connectors.kafka.topics import Topic, create_topics

WAIT_SECONDS_MAX = 30

IMPATIENT = {"fetch.wait.max.ms": "10"}
"""Else a broker takes half a second to tell where a partition ends."""


def new_topic(servers: str, partitions: int = 1, **config: str) -> str:
    """Make a topic that no other test knows."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    planned = Topic(
        name, partitions, {key.replace("_", "."): value for key, value in config.items()}
    )
    create_topics(Cluster(servers), [planned], replication=1)
    return name


def everything(
    servers: str,
    topic: str,
    partitions: Iterable[int] = (0,),
    begin: Mapping[int, int] | None = None,
) -> list[Message]:
    """Return all records of a topic by partition, of some from an offset to `begin` at."""
    met: list[KafkaError] = []
    consumer = Cluster(servers, IMPATIENT).consumer("tests", met.append)
    from_there = begin or {}
    places = [TopicPartition(topic, at, from_there.get(at, OFFSET_BEGINNING)) for at in partitions]
    consumer.assign(places)
    found: list[Message] = []
    ended: set[int | None] = set()
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while len(ended) < len(places):
        assert time.monotonic() < deadline, f"the topic has no end: {met}"
        for message in consumer.consume(100, 0.02):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's spelling
                ended.add(message.partition())
            else:
                met.append(error)
    consumer.close()
    return sorted(found, key=lambda each: (each.partition(), each.offset()))
