"""The intake of a lane against real brokers: whatever happens to them, nothing is lost or twice."""

import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import PartitionDecoder
from connectors.intake import Documents
from connectors.kafka.cluster import SOCKET_MS, STATISTICS_MS, Cluster, ClusterError
from connectors.kafka.consumer import CLOSE_SECONDS_MAX, POLL_BYTES, TURN_SPAN, WAITING_MAX
from connectors.kafka.intake import KafkaIntakes
from connectors.kafka.liveness import SILENT_SECONDS
from connectors.kafka.topics import Topic, create_topics
from connectors.positions import Position, TopicPosition
from tests.support.brokers.broker import Broker, running
from tests.support.brokers.stalling import behind_proxy
from tests.support.brokers.topics import new_topics, send
from tests.support.brokers.wire import send_raw
from tests.support.intakes import numbers, reading


def test_a_topic_of_measurements_may_be_made_while_it_is_asked_for(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    late = topics["events"].replace("events", "measurements")
    topics["measurements"] = late
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1, refresh_seconds=0.1)
    with reading(intakes) as reader:
        reader.to_the_end()
        create_topics(Cluster(bootstrap_servers), [Topic(late, 1)], replication=1)
        send(bootstrap_servers, late, numbers(0, 3))
        reader.until(lambda: reader.counts == {f"{late}-0": 3})
        assert ("measurements", f"{late}-0") in reader.intake.partitions()


def test_partitions_of_one_number_share_a_lane(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 3)
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=2)
    for lane, mine in ((0, (0, 2)), (1, (1,))):
        with reading(intakes, lane=lane) as reader:
            assert reader.intake.partitions() == [
                (stream, f"{topic}-{number}") for stream, topic in topics.items() for number in mine
            ]


def test_what_waits_of_a_held_partition_has_an_end_and_nothing_is_lost(
    bootstrap_servers: str,
) -> None:
    """More than may wait, so that fetching pauses and goes on, time and again."""
    topics = new_topics(bootstrap_servers, 1)
    events = f"{topics['events']}-0"
    documents = [each.ljust(2_000) for each in numbers(0, 12_000)]
    send(bootstrap_servers, topics["events"], documents)
    with reading(KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1)) as reader:
        for turn in range(1, 4):
            reader.while_held(0.5, events)
            reader.poll()
            assert 0 < reader.counts[events] <= turn * (POLL_BYTES // 2_000)
        reader.to_the_end()
        assert reader.given[events] == list(enumerate(documents))


@pytest.mark.long
@pytest.mark.parametrize("more", [0, 10])
def test_a_partition_that_was_not_fetched_for_a_while_is_not_known_to_be_at_its_end(
    bootstrap_servers: str, more: int
) -> None:
    """What came while it was held and full has not been heard of, though its broker answers."""
    topics = new_topics(bootstrap_servers, 1)
    events = f"{topics['events']}-0"
    with reading(KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1)) as reader:
        reader.to_the_end()
        send(bootstrap_servers, topics["events"], numbers(0, WAITING_MAX))
        reader.while_held(3, events)  # long enough to fetch them all and pause
        send(bootstrap_servers, topics["events"], numbers(WAITING_MAX, WAITING_MAX + more))
        reader.while_held(0.5, events)
        reader.poll()
        assert reader.counts[events] == WAITING_MAX
        assert not reader.intake.is_at_end(events)
        reader.to_the_end()
        assert reader.given[events] == list(enumerate(numbers(0, WAITING_MAX + more)))


def test_large_documents_come_a_few_at_a_time(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    events, impressions = (f"{topic}-0" for topic in topics.values())
    documents = [each.ljust(500_000) for each in numbers(0, 50)]
    for topic in topics.values():
        send(bootstrap_servers, topic, documents)
    with reading(KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1)) as reader:
        reader.while_held(1, events, impressions)
        reader.poll()
        assert sum(reader.counts.values()) == POLL_BYTES // 500_000
        reader.to_the_end()
        assert reader.given[events] == reader.given[impressions] == list(enumerate(documents))


def test_a_backlog_comes_a_span_of_time_after_the_other(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    events = f"{topics['events']}-0"
    send(bootstrap_servers, topics["events"], numbers(0, 12), every=TURN_SPAN // 3 + 1)
    with reading(KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1)) as reader:
        steps = [0]
        while steps[-1] < 12:
            reader.until(lambda: reader.counts.get(events, 0) > steps[-1])
            assert reader.intake.is_at_end(events) is False or reader.counts[events] == 12
            steps.append(reader.counts[events])
        assert steps == [0, 3, 6, 9, 12]
        reader.to_the_end()
        assert reader.given[events] == list(enumerate(numbers(0, 12)))


def test_what_has_no_value_or_several_lines_is_judged_like_any_document(
    bootstrap_servers: str,
) -> None:
    topics = new_topics(bootstrap_servers, 1)
    good = b'{"advertiser_id": "1", "impression_id": "i", "type": "click", "campaign_id": "c",'
    good += b'\n "time": "2026-04-26T19:20:07Z"\n}\n'
    send(bootstrap_servers, topics["impressions"], [None, b"", b" \n", good, good + good])
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1)
    with reading(intakes) as reader:
        documents: list[Documents] = []
        while not documents:
            documents = reader.intake.poll([])
    registry = Registry(versions={})
    decoder = PartitionDecoder("impressions", "any", policy=Policy(), registry=registry)
    decoded = decoder.decode(documents[0].lines, documents[0].offsets)
    assert decoded.records == 5
    assert decoded.rows["line"].to_pylist() == [3]
    refused = [row["source_offset"] for row in decoded.rejections.to_pylist()]
    assert refused == [0, 1, 2, 4]


def test_headers_that_cannot_be_read_are_counted_and_left_out(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    send_raw(bootstrap_servers, topics["events"], b"first", (b"gr\xfc\xdf", b"no UTF-8"))
    send_raw(bootstrap_servers, topics["events"], b"second", (b"trace", b"1"))
    met: list[str] = []
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1, on_error=met.append)
    with reading(intakes) as reader:
        documents: list[Documents] = []
        while sum(len(each.offsets) for each in documents) < 2:
            documents += reader.intake.poll([])
    origins = [each.origins for each in documents if each.origins]
    assert [value for each in origins for value in each.values] == [b"first", b"second"]
    assert [headers for each in origins for headers in each.headers] == [None, [("trace", b"1")]]
    assert met == ["HEADERS_UNREADABLE"]


def test_a_topic_that_does_not_exist_is_named(apache_broker: Broker) -> None:
    topics = {"events": "no-such-topic"}
    intakes = KafkaIntakes(Cluster(apache_broker.bootstrap_servers), topics, lanes=1)
    with pytest.raises(ClusterError, match="topic no-such-topic does not exist; make it"):
        intakes.open(0, {})


def test_a_topic_that_was_made_again_is_not_read_on(apache_broker: Broker) -> None:
    topics = new_topics(apache_broker.bootstrap_servers, 1)
    intakes = KafkaIntakes(Cluster(apache_broker.bootstrap_servers), topics, lanes=1)
    with reading(intakes) as reader:
        kept = reader.positions
    name = f"{topics['events']}-0"
    with pytest.raises(ClusterError, match="was deleted and made again"):
        intakes.open(0, {name: TopicPosition(topic_id="another", offset=kept[name].next_offset)})


def test_a_partition_that_is_gone_is_named(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1)
    with pytest.raises(ClusterError, match="other-7 was read before, and lane 0 of 1 finds no"):
        intakes.open(0, {"other-7": TopicPosition(topic_id="id", offset=3)})


def test_new_partitions_are_read_from_their_beginning_and_disturb_no_other(
    apache_broker: Broker,
) -> None:
    servers = apache_broker.bootstrap_servers
    topics = new_topics(servers, 1)
    intakes = KafkaIntakes(Cluster(servers), topics, lanes=1, refresh_seconds=0.1)
    send(servers, topics["events"], [b"old"])
    with reading(intakes) as reader:
        reader.to_the_end()
        admin = Cluster(servers).admin()
        admin.create_partitions([NewPartitions(topics["events"], 2)])[topics["events"]].result()
        time.sleep(0.2)  # until the broker itself knows
        send(servers, topics["events"], [b"new"], at=1)
        send(servers, topics["events"], [b"later"])
        first, second = (f"{topics['events']}-{number}" for number in range(2))
        reader.until(lambda: len(reader.intake.partitions()) == 3, held=[first])
        assert reader.intake.next_offset(second) == 0, "known before anything of it was given"
        reader.until(lambda: second in reader.given, held=[first])
        assert reader.given == {first: [(0, b"old")], second: [(0, b"new")]}
        reader.until(lambda: reader.given[first] == [(0, b"old"), (1, b"later")])


def expired(servers: str) -> tuple[KafkaIntakes, str, dict[str, Position]]:
    """Read two records of ten, and let the broker drop five."""
    topics = new_topics(servers, 1)
    intakes = KafkaIntakes(Cluster(servers), topics, lanes=1)
    name = f"{topics['events']}-0"
    send(servers, topics["events"], numbers(0, 2))
    with reading(intakes) as reader:
        reader.to_the_end()
        kept = reader.positions
    send(servers, topics["events"], numbers(2, 10))
    forget_before(servers, topics["events"], 5)
    return intakes, name, kept


def forget_before(servers: str, topic: str, offset: int) -> None:
    """Let records of the first partition expire."""
    admin = Cluster(servers).admin()
    for each in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        each.result()


def test_expired_records_are_an_error_that_names_what_is_there(apache_broker: Broker) -> None:
    intakes, name, kept = expired(apache_broker.bootstrap_servers)
    with reading(intakes, kept) as reader, pytest.raises(ClusterError) as raised:
        reader.to_the_end()
    assert str(raised.value) == (
        f"{name}: records from offset 2 on expired before they were read; the broker has 5 to 9. "
        "Start anew with another state directory and result, or go on without those between: "
        "--set kafka.accept_gap=true"
    )


def test_a_gap_that_is_accepted_is_counted(apache_broker: Broker) -> None:
    met: list[str] = []
    intakes, name, kept = expired(apache_broker.bootstrap_servers)
    accepting = replace(intakes, accept_gap=True, on_error=met.append)
    with reading(accepting, kept) as reader:
        reader.to_the_end()
        assert reader.given == {name: list(enumerate(numbers(5, 10), start=5))}
    assert met == ["GAP_ACCEPTED"]


def test_records_that_expire_before_the_first_of_them_is_given_are_an_error(
    apache_broker: Broker,
) -> None:
    servers = apache_broker.bootstrap_servers
    topics = new_topics(servers, 1)
    intakes = KafkaIntakes(Cluster(servers), topics, lanes=1)
    name = f"{topics['events']}-0"
    send(servers, topics["events"], numbers(0, 10))
    forget_before(servers, topics["events"], 2)
    with reading(intakes) as reader:
        assert reader.intake.next_offset(name) == 2, "where the partition begins"
        kept = reader.positions
    forget_before(servers, topics["events"], 5)
    gone = pytest.raises(ClusterError, match=r"from offset 2 on expired .* the broker has 5 to 9")
    with reading(intakes, kept) as reader, gone:
        reader.to_the_end()


def test_an_offset_beyond_the_end_is_an_error(apache_broker: Broker) -> None:
    topics = new_topics(apache_broker.bootstrap_servers, 1)
    intakes = KafkaIntakes(Cluster(apache_broker.bootstrap_servers), topics, lanes=1)
    name = f"{topics['events']}-0"
    send(apache_broker.bootstrap_servers, topics["events"], numbers(0, 3))
    with reading(intakes) as reader:
        position = reader.intake.position(name)
    assert isinstance(position, TopicPosition)
    gone = pytest.raises(ClusterError, match=r"from offset 7 on are no longer there; .* 0 to 2\.")
    with (
        reading(intakes, {name: TopicPosition(topic_id=position.topic_id, offset=7)}) as reader,
        gone,
    ):
        reader.to_the_end()


def test_transactions_that_were_given_up_are_not_read_and_the_end_is_behind_them(
    apache_broker: Broker,
) -> None:
    servers = apache_broker.bootstrap_servers
    topics = new_topics(servers, 1)
    producer = Producer({"bootstrap.servers": servers, "transactional.id": uuid.uuid4().hex})
    producer.init_transactions()
    for document, is_kept in ((b"no", False), (b"yes", True), (b"no", False)):
        producer.begin_transaction()
        producer.produce(topics["events"], value=document, partition=0)
        producer.flush()
        producer.commit_transaction() if is_kept else producer.abort_transaction()
    name = f"{topics['events']}-0"
    with reading(KafkaIntakes(Cluster(servers), topics, lanes=1)) as reader:
        reader.to_the_end()
        assert reader.given == {name: [(2, b"yes")]}
        assert reader.intake.next_offset(name) == 6


@pytest.mark.long
def test_to_close_does_not_take_long_while_the_broker_is_away(apache_broker: Broker) -> None:
    """Be it with offsets on their way, for which the library would wait most of a minute."""
    servers = apache_broker.bootstrap_servers
    topics = new_topics(servers, 1)
    send(servers, topics["events"], numbers(0, 10))
    try:
        with reading(KafkaIntakes(Cluster(servers), topics, lanes=1)) as reader:
            reader.to_the_end()
            apache_broker.kill()
            reader.intake.commit(reader.positions)
            began = time.monotonic()
        assert time.monotonic() - began < 2 * CLOSE_SECONDS_MAX
    finally:
        apache_broker.start()


@pytest.mark.long
def test_a_broker_that_dies_and_comes_back_costs_nothing(apache_broker: Broker) -> None:
    met: list[str] = []
    servers = apache_broker.bootstrap_servers
    topics = new_topics(servers, 2)
    events = f"{topics['events']}-0"
    send(servers, topics["events"], numbers(0, 100))
    with reading(KafkaIntakes(Cluster(servers), topics, lanes=1, on_error=met.append)) as reader:
        reader.to_the_end()
        apache_broker.kill()
        try:
            # Nobody knows now whether a partition is at its end, so none is.
            reader.until(lambda: not reader.intake.is_at_end(events))
            began = time.monotonic()
            for _ in range(20):
                reader.poll()
            assert time.monotonic() - began < 1
        finally:
            apache_broker.start()
        send(servers, topics["events"], numbers(100, 200))
        # It may know of an end from before these were sent.
        reader.until(lambda: reader.counts == {events: 200})
        reader.to_the_end()
        assert reader.given == {events: list(enumerate(numbers(0, 200)))}
    assert met


def test_a_broker_that_hangs_is_not_at_its_end(tmp_path: Path) -> None:
    with behind_proxy(tmp_path) as (broker, proxy), running(broker):
        met: list[str] = []
        servers = broker.bootstrap_servers
        topics = new_topics(servers, 1)
        events = f"{topics['events']}-0"
        intakes = KafkaIntakes(Cluster(servers), topics, lanes=1, on_error=met.append)
        with reading(intakes) as reader:
            reader.to_the_end()
            proxy.stall()
            began = time.monotonic()
            send(servers, topics["events"], [b"late"])
            reader.until(lambda: not reader.intake.is_at_end(events))
            assert time.monotonic() - began < SILENT_SECONDS + 0.1
            reader.until(lambda: "BROKER_SILENT" in met)
            assert time.monotonic() - began < SILENT_SECONDS + 2 * STATISTICS_MS / 1000
            proxy.go_on()
            reader.to_the_end()
            assert reader.given == {events: [(0, b"late")]}
            assert time.monotonic() - began < SOCKET_MS / 1000, "by itself, not by a new connection"
            assert met.count("BROKER_SILENT") == 1


@pytest.mark.long
def test_a_connection_on_which_nothing_comes_any_more_is_replaced(tmp_path: Path) -> None:
    with behind_proxy(tmp_path) as (broker, proxy), running(broker):
        servers = broker.bootstrap_servers
        topics = new_topics(servers, 1)
        events = f"{topics['events']}-0"
        with reading(KafkaIntakes(Cluster(servers), topics, lanes=1)) as reader:
            reader.to_the_end()
            proxy.stall()
            began = time.monotonic()
            send(servers, topics["events"], [b"late"])
            reader.until(lambda: reader.given == {events: [(0, b"late")]})
            assert time.monotonic() - began < SOCKET_MS / 1000 + 5
            reader.to_the_end()


def test_committed_offsets_are_there_for_tools_that_watch_the_lag(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    send(bootstrap_servers, topics["events"], numbers(0, 5))
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1, group=uuid.uuid4().hex)
    with reading(intakes) as reader:
        reader.to_the_end()
        reader.intake.commit(reader.positions)
        reader.until(lambda: committed(intakes, topics["events"]) == 5)


def committed(intakes: KafkaIntakes, topic: str) -> int:
    """Return the offset that the group was told of the first partition."""
    watcher = intakes.cluster.consumer(intakes.group, print)
    try:
        return watcher.committed([TopicPartition(topic, 0)], timeout=5)[0].offset
    finally:
        watcher.close()


def test_positions_are_told_even_where_nothing_is_read_any_more(bootstrap_servers: str) -> None:
    topics = new_topics(bootstrap_servers, 1)
    send(bootstrap_servers, topics["events"], numbers(0, 5))
    intakes = KafkaIntakes(Cluster(bootstrap_servers), topics, lanes=1, group=uuid.uuid4().hex)
    with reading(intakes) as reader:
        reader.to_the_end()
        kept = reader.positions
    assert committed(intakes, topics["events"]) < 0
    intakes.commit(kept)
    assert committed(intakes, topics["events"]) == 5


def test_offsets_that_the_group_does_not_take_are_counted(apache_broker: Broker) -> None:
    """A group with members of its own takes none from a lane, which is no member."""
    servers = apache_broker.bootstrap_servers
    topics = new_topics(servers, 1)
    group, met = uuid.uuid4().hex, list[str]()
    send(servers, topics["events"], numbers(0, 5))
    member = Consumer({"bootstrap.servers": servers, "group.id": group})
    member.subscribe([topics["events"]])
    while not member.assignment():
        member.poll(0.1)
    intakes = KafkaIntakes(Cluster(servers), topics, lanes=1, group=group, on_error=met.append)
    with reading(intakes) as reader:
        reader.to_the_end()
        reader.intake.commit(reader.positions)
        reader.until(lambda: bool(met))
        assert reader.intake.is_at_end(f"{topics['events']}-0"), "that has nothing to do with it"
    member.close()
    assert met == ["UNKNOWN_MEMBER_ID"]


def test_an_option_of_the_job_cannot_be_set() -> None:
    cluster = Cluster("127.0.0.1:1", {"auto.offset.reset": "latest"})
    with pytest.raises(ClusterError, match=r"may not set auto\.offset\.reset"):
        cluster.admin()


def test_an_option_that_librdkafka_does_not_have_is_named() -> None:
    with pytest.raises(ClusterError, match=r'No such configuration property: "no\.such"'):
        Cluster("127.0.0.1:1", {"no.such": "option"}).admin()


def test_a_broker_may_not_be_told_to_wait_until_it_seems_to_hang() -> None:
    cluster = Cluster("127.0.0.1:1", {"fetch.wait.max.ms": "500"})
    with pytest.raises(ClusterError, match=r"fetch\.wait\.max\.ms is 500, expected at most 250"):
        cluster.consumer("any", print)
