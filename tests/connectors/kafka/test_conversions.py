"""Attributed conversions in their topic: as the tables have them, and safe before an epoch ends."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from attribution.columnar.frames import Rows
from attribution.contract.published import PublishedConversion
from connectors.kafka import producer
from connectors.kafka.cluster import Cluster, ClusterError, OutageError
from connectors.kafka.conversions import Publisher, PublishSink, documents
from connectors.kafka.producer import Patience, PublishError, for_a_while
from flows.process.stopping import Stopping
from flows.replay.replay import ReplayOptions, replay
from flows.run import kafka_inputs
from flows.run.kafka_inputs import OUTAGE_SECONDS, until_asked
from flows.settings.model import Settings
from tests.support.brokers.broker import Broker, running, tansu
from tests.support.brokers.topics import everything, new_topic

DEMO = Path(__file__).parents[2] / "fixtures/demo"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    path = tmp_path_factory.mktemp("publish") / "result.duckdb"
    replay(ReplayOptions(DEMO, path, Settings()))
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'America/New_York'")  # shows in no document
        yield connection


def rows(result: duckdb.DuckDBPyConnection, table: str) -> pa.RecordBatch:
    sql = f"from {table} order by conversion_id"
    return result.execute(sql).to_arrow_table().combine_chunks().to_batches()[0]


@pytest.fixture(scope="module")
def settled(result: duckdb.DuckDBPyConnection) -> Rows:
    names = ("conversions_final", "credits_final")
    return Rows({name: rows(result, name) for name in names})


def publisher(servers: str, topic: str, waits: Patience = for_a_while) -> Publisher:
    return PublishSink(Cluster(servers), topic, waits).build_part("publish", "publisher", None)


def ignore() -> None:
    """Do nothing."""


def attributed(settled: Rows) -> int:
    return settled.tables["conversions_final"]["outcome"].to_pylist().count("attributed")


def test_every_attributed_conversion_is_there_with_its_credits(
    bootstrap_servers: str, result: duckdb.DuckDBPyConnection, settled: Rows
) -> None:
    topic = new_topic(bootstrap_servers, 3)
    part = publisher(bootstrap_servers, topic)
    part.write_batch([Rows({}), settled])
    assert part.snapshot() == 0
    found = {
        each.key(): json.loads(each.value() or b"")
        for each in everything(bootstrap_servers, topic, range(3))
    }
    sql = """select conversion_id, advertiser_id, event_id, epoch_us(event_time), value, currency,
        matched_on, touch_type, path_length from conversions where outcome = 'attributed'"""
    expected = result.execute(sql).fetchall()
    assert len(found) == len(expected) > 300
    for conversion_id, advertiser, event_id, _, value, currency, *won, length in expected:
        document = found[f"{advertiser}/{conversion_id}".encode()]
        assert document["conversion_id"] == conversion_id
        assert document["event_id"] == event_id
        assert (document["value"], document["currency"]) == (value and str(value), currency)
        assert [document["matched_on"], document["touch_type"]] == won
        assert [each["position"] for each in document["credits"]] == list(range(1, length + 1))


def test_documents_are_as_the_model_says_and_add_up(settled: Rows) -> None:
    texts = [text for _, text in documents(*settled.tables.values())]
    published = [PublishedConversion.model_validate_json(text) for text in texts]
    assert any(each.value is None for each in published)
    assert any(len(each.credits) > 2 for each in published)
    for each in published:
        linear = sum(int(credit.shares.linear.replace(".", "")) for credit in each.credits)
        assert linear == 10**9
        earned = [credit.values for credit in each.credits if credit.values]
        if each.value is not None:
            cents = sum(int(values.linear.replace(".", "")) for values in earned)
            assert cents == int(each.value.replace(".", ""))
        assert (each.value is None) == (earned == [])


def test_one_document_in_full(settled: Rows, result: duckdb.DuckDBPyConnection) -> None:
    """The first attributed conversion with a single touchpoint and a value, written by hand."""
    ((conversion_id,),) = result.execute(
        "select min(conversion_id) from conversions where path_length = 1 and value > 0"
    ).fetchall()
    ((one,),) = result.execute(
        """select {'event': strftime(c.event_time at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'),
          'touch': strftime(t.time at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ'),
          'worth': c.value::varchar, 'impression': t.impression_id, 'campaign': t.campaign_id}
        from conversions as c join credits as t using (conversion_id)
        where conversion_id = ?""",
        [conversion_id],
    ).fetchall()
    texts = [json.loads(text) for _, text in documents(*settled.tables.values())]
    document: dict[str, Any] = next(
        each for each in texts if each["conversion_id"] == conversion_id
    )
    (credit,) = document["credits"]
    assert document["event_time"] == one["event"]
    assert document["value"] == one["worth"]
    assert credit["time"] == one["touch"]
    assert (credit["impression_id"], credit["campaign_id"]) == (one["impression"], one["campaign"])
    assert set(credit["shares"].values()) == {"1.000000000"}
    assert set(credit["values"].values()) == {one["worth"]}


def test_the_same_rows_give_the_same_records_again(bootstrap_servers: str, settled: Rows) -> None:
    """What a start after a crash sends once more is told by its key, and is the same."""
    topic = new_topic(bootstrap_servers)
    for _ in range(2):
        part = publisher(bootstrap_servers, topic)
        part.write_batch([settled])
        part.snapshot()
    found = [(each.key(), each.value()) for each in everything(bootstrap_servers, topic)]
    assert found[: len(found) // 2] == found[len(found) // 2 :]


def test_a_topic_that_does_not_exist_is_named(apache_broker: Broker) -> None:
    with pytest.raises(ClusterError, match="topic no-such-topic does not exist; make it"):
        publisher(apache_broker.bootstrap_servers, "no-such-topic")


def test_what_a_topic_refuses_fails_the_epoch(apache_broker: Broker, settled: Rows) -> None:
    servers = apache_broker.bootstrap_servers
    topic = new_topic(servers, max_message_bytes="200")
    part = publisher(servers, topic)
    part.write_batch([settled])
    with pytest.raises(PublishError, match=f"topic {topic} at .* does not take records: .*large"):
        part.snapshot()


@pytest.mark.long
def test_an_epoch_outlasts_a_broker(apache_broker: Broker, settled: Rows) -> None:
    servers = apache_broker.bootstrap_servers
    topic = new_topic(servers)
    part = publisher(servers, topic, waits=until_asked(Stopping(), ignore))
    apache_broker.kill()
    later = threading.Timer(OUTAGE_SECONDS, apache_broker.start)
    later.start()
    try:
        part.write_batch([settled])
        part.snapshot()
        assert later.finished.is_set()
    finally:
        later.join()
    keys = [each.key() for each in everything(servers, topic)]
    assert len(keys) == len(set(keys)) == attributed(settled)


@pytest.mark.parametrize("is_asked", [True, False])
def test_who_does_not_wait_for_a_broker_says_what_it_has_not_taken(
    tmp_path: Path, settled: Rows, monkeypatch: pytest.MonkeyPatch, *, is_asked: bool
) -> None:
    """A run waits until it is asked to end, a command for a while."""
    monkeypatch.setattr(producer, "PUBLISH_SECONDS_MAX", 1.0)
    monkeypatch.setattr(kafka_inputs, "OUTAGE_SECONDS", 1.0)
    stopping = Stopping()
    with running(tansu(tmp_path)) as broker:
        topic = new_topic(broker.bootstrap_servers)
        waits = until_asked(stopping, ignore) if is_asked else for_a_while
        part = publisher(broker.bootstrap_servers, topic, waits=waits)
        broker.kill()
        part.write_batch([settled])
        later = threading.Timer(2.0, stopping.ask)
        later.start()
        began = time.monotonic()
        said = f"has not taken {attributed(settled)} records in {2 if is_asked else 1} s"
        with pytest.raises(OutageError, match=f"{said}; check that it runs, then start again"):
            part.snapshot()
        assert (time.monotonic() - began > 2.0) is is_asked
        later.join()
