"""`tributary run` over Kafka as a person gives it, from the first record to what a check says."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions
from typer.testing import CliRunner

from connectors.dead_letters.limit import DeadLetterLimit
from connectors.kafka.cluster import Cluster
from connectors.kafka.topics import Topic, create_topics
from flows.cli.app import app
from flows.settings.kafka import DeadLetterSettings
from tests.chaos.job import PATIENCE, wait_until
from tests.chaos.ledger import opened
from tests.support import raw
from tests.support.brokers.broker import Broker
from tests.support.brokers.harness import PARTITIONS, KafkaJob, Topics, committed_of
from tests.support.brokers.topics import everything

ROOT = Path(__file__).parents[3]


@contextmanager
def new_job(folder: Path, servers: str) -> Iterator[KafkaJob]:
    """Yield a job over topics of its own, not started; it ends with the test."""
    topics = Topics(servers)
    topics.create()
    job = KafkaJob(folder, topics)
    job.data.mkdir()
    (job.data / "event_sources.json").write_text(json.dumps([raw.source()]), encoding="utf-8")
    try:
        yield job
    finally:
        if job.process is not None:
            job.kill()


@pytest.fixture
def job(tmp_path: Path, bootstrap_servers: str) -> Iterator[KafkaJob]:
    """Yield a job over each broker there is."""
    with new_job(tmp_path, bootstrap_servers) as job:
        yield job


def sold(event_id: str) -> bytes:
    return json.dumps(raw.envelope(raw.event(event_id))).encode()


def seen(impression_id: str) -> bytes:
    return json.dumps(raw.impression(impression_id, time=raw.NOW - raw.SECOND)).encode()


def run_until(job: KafkaJob, committed: int, *options: str) -> None:
    """Run until the group has been told of so many records, and drain: others then see a result."""
    job.start(*options)
    assert wait_until(lambda: sum(committed_of(job).values()) >= committed), job.said
    assert job.drain() == 0, job.said


def asked(job: KafkaJob, *command: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*command, *job.topics.settings])
    return done.exit_code, done.output


def rows(job: KafkaJob, sql: str) -> list[tuple[Any, ...]]:
    with opened(job.database) as connection:
        return connection.execute(sql).fetchall()


def settles(job: KafkaJob, conversions: int) -> bool:
    """Run and drain until there are so many conversions, all of them final."""

    def holds() -> bool:
        job.start()
        job.wait_until_it_writes()
        job.wait(2.0)
        assert job.drain() == 0, job.said
        sql = "select count(*), bool_and(is_final) from conversions"
        return rows(job, sql) == [(conversions, True)]

    return wait_until(holds)


def test_from_topics_to_a_result_that_verifies(job: KafkaJob) -> None:
    job.topics.send("impressions", seen("i1"), seen("i1"), b"no record", at=1)
    job.topics.send("events", sold("one"), sold("one"), None, at=0)
    job.topics.send("events", sold("two"), at=2)
    assert settles(job, 2)
    events, impressions = job.topics["events"], job.topics["impressions"]
    assert rows(job, "select outcome, event_id from conversions order by event_id") == [
        ("attributed", "one"),
        ("attributed", "two"),
    ]
    assert rows(
        job, "select source_partition, source_offset, code from rejections order by all"
    ) == [(f"{events}-0", 2, "INVALID_REQUEST"), (f"{impressions}-1", 2, "INVALID_REQUEST")]
    assert committed_of(job) == {f"{events}-0": 3, f"{events}-2": 1, f"{impressions}-1": 3}
    published = everything(job.topics.servers, job.topics["conversions"])
    assert {json.loads(each.value() or b"")["event_id"] for each in published} == {"one", "two"}
    assert {
        each.value() for each in everything(job.topics.servers, job.topics["dead_letters"])
    } == {
        None,
        b"no record",
    }
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said
    assert "conversions_final: 2 rows, equal" in said
    assert "settled yet" not in said
    code, said = asked(job, "explain", "one", "--db", str(job.database))
    assert (code, "Near misses: none" in said) == (0, True)


@pytest.mark.long
def test_a_start_goes_on_where_the_last_one_ended(job: KafkaJob) -> None:
    job.topics.send("events", sold("one"))
    run_until(job, 1)
    job.topics.send("events", sold("two"), sold("one"))
    run_until(job, 3, "--workers", "2")
    positions = rows(job, "select source_partition, max(next_offset) from read_offsets group by 1")
    assert positions == [(f"{job.topics['events']}-0", 3)]
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said
    # A check reads as far as the result says: one that says too much is found out.
    with duckdb.connect(str(job.database)) as connection:
        connection.execute("update read_offsets set next_offset = 4")
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 2
    assert f"{job.topics['events']}-0 ends at offset 3, and the result is made of all" in said


@pytest.mark.long
def test_measurements_come_from_a_topic_that_may_be_made_later(job: KafkaJob) -> None:
    job.topics.send("events", sold("one"))
    run_until(job, 1)
    topic = job.topics["measurements"]
    create_topics(Cluster(job.topics.servers), [Topic(topic, 1)], replication=1)
    job.topics.partitions["measurements"] = 1
    calls = [raw.measurements(raw.measurement(metric_value=value), None) for value in (1, 2)]
    first, second = (json.dumps(call).encode() for call in calls)
    job.topics.send("measurements", first, b"no call", second)
    run_until(job, 4)
    shown = "select metric_value::bigint, source_partition, source_offset from "
    stored = [(1, f"{topic}-0", 0), (2, f"{topic}-0", 2)]
    assert rows(job, f"{shown} measurements order by all") == stored
    assert rows(job, f"{shown} latest_measurements") == stored[1:]
    letters = everything(job.topics.servers, job.topics["dead_letters"])
    assert [each.value() for each in letters] == [b"no call"]
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said
    assert "measurements: 2 rows, equal" in said


@pytest.mark.long
def test_a_run_that_was_drained_leaves_no_lag(job: KafkaJob) -> None:
    """Of the last epoch too the group is told, though no lane is there any more when it is over."""
    job.topics.send("events", sold("one"))
    job.start("--set", "flow.epoch_interval=5s")
    assert wait_until(lambda: sum(committed_of(job).values()) == 1), job.said
    job.topics.send("events", sold("two"))
    job.wait(1.0)
    assert job.drain() == 0, job.said
    positions = rows(job, "select source_partition, max(next_offset) from read_offsets group by 1")
    assert positions == [(f"{job.topics['events']}-0", 2)]
    assert committed_of(job) == dict(positions)


@pytest.mark.long
def test_too_many_dead_letters_end_the_run(job: KafkaJob) -> None:
    job.topics.send("events", *[b"{"] * 50)
    job.start("--set", "kafka.dead_letters.max_consecutive=20")
    assert job.wait(PATIENCE) == 4
    said = [line for line in job.said.splitlines() if line.startswith("tributary: ")]
    assert len(said) == 1
    assert f"{job.topics['events']}-0: 50 records in a row are refused as a whole" in said[0]
    run_until(job, 50)
    assert rows(job, "select count(*) from rejections") == [(50,)]


def test_the_limit_of_the_settings_is_the_one_of_the_program() -> None:
    told = DeadLetterSettings()
    assert DeadLetterLimit(told.window, told.max_ratio, told.max_consecutive) == DeadLetterLimit()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "nothing to read: name a folder with --data, or brokers in kafka.bootstrap_servers"),
        (
            ["--data", ".", "--set", "kafka.bootstrap_servers=127.0.0.1:1"],
            "--data . and kafka.bootstrap_servers (--set) are both set; leave one out",
        ),
        (
            ["--data", ".", "--sources", "s.json"],
            "--sources is for Kafka; event sources of . are in its event_sources.json",
        ),
    ],
)
def test_a_run_has_one_place_to_read_from(
    tmp_path: Path, options: list[str], expected: str
) -> None:
    told = ["--state", str(tmp_path / "state"), "--db", str(tmp_path / "result.duckdb")]
    done = CliRunner().invoke(app, ["run", *told, *options])
    assert (done.exit_code, done.output) == (2, f"tributary: {expected}\n")


def test_a_topic_that_is_missing_is_named_before_anything_is_made(
    apache_broker: Broker, tmp_path: Path
) -> None:
    job = KafkaJob(tmp_path, Topics(apache_broker.bootstrap_servers))
    job.start("--allow-unregistered")
    assert job.wait(PATIENCE) == 2
    assert f"topic {job.topics['events']} does not exist; make it: tributary topics create" in (
        job.said
    )
    assert not job.state.exists()


@pytest.mark.long
def test_a_deleted_topic_is_named_by_all_that_read_it(
    apache_broker: Broker, tmp_path: Path
) -> None:
    """By a run that reads it, by the next start, and by a check: within seconds."""
    with new_job(tmp_path, apache_broker.bootstrap_servers) as job:
        topic = job.topics["impressions"]
        job.topics.send("events", sold("one"))
        job.topics.send("impressions", seen("i1"))
        run_until(job, 2)
        job.start()
        job.wait_until_it_writes()
        admin = Cluster(job.topics.servers).admin()
        admin.delete_topics([topic])[topic].result()
        assert job.wait(PATIENCE) == 4
        expected = f"topic {topic} was read before and does not exist any more"
        assert expected in job.said
        job.start()
        assert job.wait(PATIENCE) in (2, 4)
        assert expected in job.said
        code, said = asked(job, "verify", "--db", str(job.database))
        assert code == 2
        assert f"{topic}-0 is not on the cluster any more, and the result is made of its" in said


def forget_before(job: KafkaJob, offset: int, partition: int = 0) -> None:
    """Let records of a partition of events expire."""
    admin = Cluster(job.topics.servers).admin()
    place = TopicPartition(job.topics["events"], partition, offset)
    for each in admin.delete_records([place]).values():
        each.result()


@pytest.fixture
def apache_job(apache_broker: Broker, tmp_path: Path) -> Iterator[KafkaJob]:
    """Yield a job over Apache Kafka."""
    with new_job(tmp_path, apache_broker.bootstrap_servers) as job:
        yield job


@pytest.mark.long
def test_records_that_expired_unread_end_the_run(apache_job: KafkaJob) -> None:
    job = apache_job
    job.topics.send("events", sold("one"))
    run_until(job, 1)
    job.topics.send("events", sold("two"), sold("three"))
    forget_before(job, 2)
    job.start()
    assert job.wait(PATIENCE) == 4
    said = [line for line in job.said.splitlines() if line.startswith("tributary: ")]
    expected = (
        f"tributary: {job.topics['events']}-0: records from offset 1 on expired before they were "
        "read; the broker has 2 to 2. Start anew with another state directory and result, or go on "
        "without those between: --set kafka.accept_gap=true"
    )
    assert said == [expected]
    run_until(job, 3, "--set", "kafka.accept_gap=true")


@pytest.mark.long
def test_a_check_needs_what_the_result_is_made_of(apache_job: KafkaJob) -> None:
    """What had expired before the run began is not missed; what expired since is."""
    job = apache_job
    job.topics.send("events", *(sold(f"e{at}") for at in range(6)))
    forget_before(job, 3)
    run_until(job, 6)
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said
    forget_before(job, 5)
    code, said = asked(job, "verify", "--db", str(job.database))
    expected = (
        f"tributary: {job.topics['events']}-0: the result is made of records from offset 3 on, and "
        "the broker has 5 to 5: the others have expired, so that the result cannot be held against "
        "the topics any more\n"
    )
    assert (code, said) == (2, expected)


@pytest.mark.long
def test_a_check_knows_where_a_partition_began_that_came_later(apache_job: KafkaJob) -> None:
    """What had expired before the start that found it is not missed; what expired since is."""
    job, added = apache_job, PARTITIONS
    job.topics.send("events", sold("old"))
    run_until(job, 1)
    job.topics.partitions["events"] += 1
    topic, new = job.topics["events"], [NewPartitions(job.topics["events"], added + 1)]
    admin = Cluster(job.topics.servers).admin()
    admin.create_partitions(new)[topic].result(PATIENCE)
    time.sleep(0.5)  # until the broker itself knows
    job.topics.send("events", *(sold(f"e{at}") for at in range(6)), at=added)
    forget_before(job, 3, added)
    run_until(job, 7)
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said
    forget_before(job, 5, added)
    job.topics.send("events", sold("later"))
    run_until(job, 8)
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 2
    assert "the result is made of records from offset 3 on, and the broker has 5 to 5" in said


@pytest.mark.long
def test_the_command_of_the_compose_file_starts_the_job(
    apache_broker: Broker, tmp_path: Path
) -> None:
    """With its environment, but for the address and the volume, outside of Docker."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    told = services["tributary"]["environment"]
    told = {**told, "TRIBUTARY_KAFKA__BOOTSTRAP_SERVERS": apache_broker.bootstrap_servers}
    told["TRIBUTARY_KAFKA__REPLICATION"] = "1"
    words = [
        word.replace("/var/lib/tributary", str(tmp_path))
        for word in services["tributary"]["command"]
    ]
    program = [sys.executable, "-m", "flows"]
    made = subprocess.run(
        [*program, *services["topics"]["command"]],
        env=os.environ | told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with (tmp_path / "stderr").open("wb") as stderr:
        running = subprocess.Popen([*program, *words], env=os.environ | told, stderr=stderr)
    try:
        assert wait_until((tmp_path / "result.duckdb").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(3)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0, (tmp_path / "stderr").read_text(encoding="utf-8")
    finally:
        running.kill()
