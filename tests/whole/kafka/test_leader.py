"""A partition whose leader dies, on a cluster of three nodes: another one goes on, and so do we."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer

from connectors.kafka.cluster import Cluster
from connectors.kafka.intake import KafkaIntakes
from connectors.kafka.topics import Topic, create_topics
from tests.support.brokers.broker import Broker, cluster, jars
from tests.support.brokers.topics import WAIT_SECONDS_MAX
from tests.support.intakes import numbers, reading

pytestmark = pytest.mark.long

RECORDS = 3_000


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[int, Broker]]:
    """Three nodes by their numbers; none of them outlives the test."""
    if jars() is None:
        pytest.skip("Apache Kafka is not there: make kafka")
    brokers = cluster(tmp_path, nodes=3)
    with ExitStack() as ending:
        for each in brokers:
            ending.callback(each.kill)
            each.launch()
        for each in brokers:
            each.wait()
        yield dict(enumerate(brokers, start=1))


def test_nothing_is_lost_or_given_twice_when_the_leader_dies(nodes: dict[int, Broker]) -> None:
    servers = ",".join(each.bootstrap_servers for each in nodes.values())
    topic = f"events-{uuid.uuid4().hex[:8]}"
    create_topics(Cluster(servers), [Topic(topic, 1, {"min.insync.replicas": "2"})], replication=3)
    name, met = f"{topic}-0", list[str]()
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
    intakes = KafkaIntakes(Cluster(servers), {"events": topic}, lanes=1, on_error=met.append)
    with reading(intakes) as reader:
        for number, document in enumerate(numbers(0, RECORDS)):
            producer.produce(topic, document, partition=0)
            if number % 100 == 0:
                producer.poll(0)
                reader.poll()
            if number == RECORDS // 3:
                reader.until(lambda: reader.counts.get(name, 0) > 0)
                leader = _leader(servers, topic)
                nodes[leader].kill()
        reader.until(lambda: producer.poll(0) >= 0 and len(producer) == 0)
        assert _leader(servers, topic) != leader
        reader.until(lambda: reader.counts[name] >= RECORDS)
        reader.to_the_end()
        assert reader.given == {name: list(enumerate(numbers(0, RECORDS)))}


def _leader(servers: str, topic: str) -> int:
    told = Cluster(servers).admin().list_topics(topic, timeout=WAIT_SECONDS_MAX)
    return told.topics[topic].partitions[0].leader
