"""A record that is larger than a document may be, from its topic to the dead letters."""

import json
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from attribution.contract.document import MAX_DOCUMENT_BYTES
from connectors.kafka.cluster import Cluster
from tests.support import raw
from tests.support.brokers.broker import Broker
from tests.support.brokers.harness import KafkaJob
from tests.support.brokers.topics import WAIT_SECONDS_MAX, everything
from tests.whole.kafka.test_run import new_job, rows, settles, sold

pytestmark = pytest.mark.long

RECORD_BYTES_MAX = MAX_DOCUMENT_BYTES + 4 * 1024 * 1024
LARGE = {"message.max.bytes": RECORD_BYTES_MAX, "compression.type": "none"}


def let_in_large_records(job: KafkaJob) -> None:
    """Have the topics as an operator may: with room for more than a document."""
    admin = Cluster(job.topics.servers).admin()
    entry = ConfigEntry(
        "max.message.bytes",
        str(RECORD_BYTES_MAX),
        incremental_operation=AlterConfigOpType.SET,
    )
    topics = [
        ConfigResource(ResourceType.TOPIC, job.topics[name], incremental_configs=[entry])
        for name in ("events", "dead_letters")
    ]
    for each in admin.incremental_alter_configs(topics).values():
        each.result(WAIT_SECONDS_MAX)


def envelope_of(size: int) -> bytes:
    """Write an envelope of so many bytes, sound but for its size."""
    document = json.dumps(raw.envelope(raw.event("large"), padding="")).encode()
    filling = b" " * (size - len(document))
    return document[:-1] + filling + document[-1:]


def set_aside(job: KafkaJob) -> list[Message]:
    return everything(job.topics.servers, job.topics["dead_letters"])


def header(letter: Message, name: str) -> str:
    headers: list[Any] = list(letter.headers() or [])
    return dict(headers).get(f"dlq.{name}", b"").decode()


def test_a_record_that_is_too_large_is_set_aside(apache_broker: Broker, tmp_path: Path) -> None:
    """Without its content; one of the largest size goes whole, and what is behind it is read."""
    with new_job(tmp_path, apache_broker.bootstrap_servers) as job:
        let_in_large_records(job)
        producer = Producer({"bootstrap.servers": job.topics.servers, **LARGE})
        spoiled = b"{" * (MAX_DOCUMENT_BYTES - 1)
        for value in (envelope_of(MAX_DOCUMENT_BYTES + 1), spoiled, sold("one")):
            producer.produce(job.topics["events"], value, b"k", partition=0)
            assert producer.flush(WAIT_SECONDS_MAX) == 0
        assert settles(job, 1)
        assert rows(job, "select event_id, outcome from conversions") == [("one", "unattributed")]
        places = rows(job, "select source_offset, code from rejections order by all")
        assert places == [(0, "INVALID_REQUEST"), (1, "INVALID_REQUEST")]
        letters = {int(header(each, "offset")): each for each in set_aside(job)}
        assert header(letters[0], "omitted") == str(len(b"k") + MAX_DOCUMENT_BYTES + 1)
        assert (letters[0].key(), letters[0].value()) == (None, None)
        assert header(letters[1], "omitted") == ""
        assert (letters[1].key(), letters[1].value()) == (b"k", spoiled)
