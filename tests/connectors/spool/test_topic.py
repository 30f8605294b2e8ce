"""Accepted calls in a topic: acknowledged by the broker, split where they are large."""

import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from attribution.contract.document import read_document
from connectors.kafka.cluster import Cluster, ClusterError
from connectors.kafka.topics import Topic, create_topics
from connectors.spool import topic as spool_topic
from connectors.spool.store import Receipt, StoreFullError
from connectors.spool.topic import PART_BYTES, TopicStore
from tests.support.brokers.broker import running, tansu
from tests.support.brokers.topics import everything, new_topic


def texts(servers: str, topic: str) -> list[bytes]:
    """Return the values of all records."""
    return [message.value() or b"" for message in everything(servers, topic, (0, 1))]


def test_a_document_is_there_once_it_is_acknowledged(bootstrap_servers: str) -> None:
    name = new_topic(bootstrap_servers, partitions=2)
    store = TopicStore(Cluster(bootstrap_servers), "events", name)
    written: list[Future[Receipt]] = [
        store.append(b'{"n":%d}' % number, "adv") for number in range(20)
    ]
    receipts = [each.result(30) for each in written]
    assert len({each.partition for each in receipts}) == 1, "one key, one partition"
    assert [each.offset for each in receipts] == list(range(20))
    values = [json.loads(text) for text in texts(bootstrap_servers, name)]
    assert [value["n"] for value in values] == list(range(20))
    stamps = [value["received_at"] for value in values]
    assert stamps == sorted(stamps)
    store.close()


def test_a_large_call_is_split_between_events(bootstrap_servers: str) -> None:
    name = new_topic(bootstrap_servers, partitions=2)
    store = TopicStore(Cluster(bootstrap_servers), "events", name)
    events: list[dict[str, Any]] = [{"event_id": f"e{at}", "x": "y" * 500} for at in range(4_000)]
    document = json.dumps({"advertiser_id": "adv", "events": events, "ext": 1}).encode()
    receipt = store.append(document, "adv").result(30)
    assert receipt.offset == 0
    parts = texts(bootstrap_servers, name)
    assert len(parts) > 1
    assert max(map(len, parts)) <= PART_BYTES + 100, "the stamp is added to it"
    read = [json.loads(part) for part in parts]
    assert [event for part in read for event in part["events"]] == events
    assert {(part["advertiser_id"], part["ext"]) for part in read} == {("adv", 1)}
    assert all(read_document(part) for part in parts)
    store.close()


@pytest.mark.long
def test_what_no_broker_takes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_topic, "DELIVERY_MS", 5_000)
    with running(tansu(tmp_path)) as broker:
        create_topics(Cluster(broker.bootstrap_servers), [Topic("events", 1)], replication=1)
        store = TopicStore(Cluster(broker.bootstrap_servers), "events", "events")
        assert store.append(b'{"a":1}', "adv").result(30).offset == 0
    with pytest.raises(OSError, match="timed out"):
        store.append(b'{"a":2}', "adv").result(30)
    monkeypatch.setattr(spool_topic, "QUEUE_BYTES_MAX", 10)
    with pytest.raises(StoreFullError):
        store.append(b'{"a":3}', "adv")
    store.close()


def test_a_topic_that_does_not_exist_is_named(bootstrap_servers: str) -> None:
    with pytest.raises(ClusterError, match="no-such-topic"):
        TopicStore(Cluster(bootstrap_servers), "events", "no-such-topic")
