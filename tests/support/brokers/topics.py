"""Topics of their own for each test, and what is in them."""

import time
import uuid
from collections.abc import Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, Producer, TopicPartition

from connectors.kafka.cluster import Cluster
from connectors.kafka.consumer import TURN_SPAN
from connectors.kafka.topics import Topic, create_topics

WAIT_SECONDS_MAX = 30

IMPATIENT = {"fetch.wait.max.ms": "10"}
"""Else a broker takes half a second to tell where a partition ends."""

ONCE = {"enable.idempotence": "true"}
"""Else a batch whose answer is lost, as by a broker that has just started, is there twice."""


def new_topic(servers: str, partitions: int = 1, **config: str) -> str:
    """Make a topic that no other test knows."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    planned = Topic(
        name, partitions, {key.replace("_", "."): value for key, value in config.items()}
    )
    create_topics(Cluster(servers), [planned], replication=1)
    return name


LONG_AGO = int(time.time() * 1000) - 7 * TURN_SPAN
"""In milliseconds; no broker has dropped it yet."""


def new_topics(servers: str, partitions: int) -> dict[str, str]:
    """Make a topic for either stream that no other test knows."""
    tag = uuid.uuid4().hex[:8]
    topics = {"events": f"events-{tag}", "impressions": f"impressions-{tag}"}
    planned = [Topic(name, partitions) for name in topics.values()]
    create_topics(Cluster(servers), planned, replication=1)
    return topics


def send(
    servers: str, topic: str, documents: Iterable[bytes | None], at: int = 0, *, every: int = 0
) -> None:
    """Send documents, `every` so many milliseconds from a day of the past on, or all of now."""
    producer = Producer({"bootstrap.servers": servers} | ONCE)
    for number, document in enumerate(documents):
        sent_at = LONG_AGO + number * every if every else 0
        producer.produce(topic, value=document, partition=at, timestamp=sent_at)
    assert producer.flush(WAIT_SECONDS_MAX) == 0


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
