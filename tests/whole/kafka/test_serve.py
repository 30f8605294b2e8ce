"""The API in front of Kafka: what it accepts is in the topics, and the job counts it once."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from connectors.api.keys import KeyStore
from connectors.api.links import Link
from connectors.kafka.cluster import Cluster
from connectors.kafka.topics import Topic, create_topics
from flows.serve.serve import KEYS, LINKS
from tests.chaos.job import PATIENCE, wait_until
from tests.support import raw
from tests.support.brokers.broker import free_port
from tests.support.brokers.harness import FollowingJob, Topics, committed_of
from tests.whole.kafka.test_run import asked, rows


@contextmanager
def served(folder: Path, options: list[str]) -> Iterator[httpx.Client]:
    """Run `tributary serve` with these options; yield a client of advertiser `adv`."""
    _, secret = KeyStore(folder / KEYS).create("tests")
    port = free_port()
    command = [sys.executable, "-m", "flows", "serve", str(folder), "--port", str(port), *options]
    base = f"http://127.0.0.1:{port}/api/buyer/advertisers/adv"
    headers = {"Authorization": f"Bearer {secret}"}
    with (
        subprocess.Popen(command) as process,
        httpx.Client(base_url=base, headers=headers, timeout=PATIENCE) as client,
    ):
        try:

            def answers() -> bool:
                try:
                    return client.get("/event-sources").status_code == 200
                except httpx.TransportError:
                    return False

            assert wait_until(answers)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


@pytest.mark.long
def test_accepted_calls_are_counted_once(tmp_path: Path, bootstrap_servers: str) -> None:
    topics = Topics(bootstrap_servers)
    topics.create()
    topics.partitions["measurements"] = 1
    create_topics(
        Cluster(bootstrap_servers),
        [
            Topic(topics["event_sources"], 1, {"cleanup.policy": "compact"}),
            Topic(topics["measurements"], 1),
        ],
        replication=1,
    )
    job = FollowingJob(tmp_path, topics)
    job.data.mkdir()
    with served(tmp_path, job.reads) as client:
        body = {"event_sources": [{"event_source_id": "src"}]}
        assert (
            client.post("/event-sources/sync", json=body).json()["event_sources"][0]["action"]
            == "created"
        )
        sent = 0
        for number in (1, 30, 3_000):
            events = [
                raw.event(f"{number}-{at}", event_time="2026-01-01T00:00:00Z", ext={"x": "y" * 400})
                for at in range(number)
            ]
            answer = client.post("/log-event", json={"event_source_id": "src", "events": events})
            assert answer.status_code == 200, answer.text
            assert answer.headers["Tributary-Receipt"].startswith(f"events/{topics['events']}-")
            sent += number
        measured = {"measurements": [raw.measurement(), None]}
        answer = client.post("/measurement-data/sync", json=measured)
        assert [row["action"] for row in answer.json()["measurements"]] == ["created", "failed"]
        place = f"measurements/{topics['measurements']}-0@0"
        assert answer.headers["Tributary-Receipt"] == place
        records = 1 + 1 + 2 + 1  # the last call of events is too large for one record
        seen = [raw.impression(f"i{at}", received_at=None) for at in range(500)]
        answer = client.post("/impressions", json=seen)
        first, last = answer.headers["Tributary-Receipt"].split(", ")
        assert first.startswith(f"impressions/{topics['impressions']}-")
        assert last != first
        click = Link(
            advertiser_id="adv",
            impression_id="i0",
            campaign_id="cmp",
            target="https://shop.example.com/",
            expires_at=2**31,
        ).signed(KeyStore(tmp_path / KEYS).secret(LINKS))
        page = client.get(str(client.base_url.join(click))).headers["location"]
        assert page.startswith("https://shop.example.com/?sc3clid=")
        records += len(seen) + 1
        job.start()
        assert wait_until(lambda: sum(committed_of(job).values()) >= records), job.said
        assert job.drain() == 0, job.said
    assert rows(job, "select sum(received)::bigint from match_stats") == [(sent,)]
    assert rows(job, "select metric_value::bigint from latest_measurements") == [(100,)]
    counted = "select type, sum(records)::bigint from touchpoint_stats group by type order by type"
    assert rows(job, counted) == [("click", 1), ("impression", 500)]
    code, said = asked(job, "verify", "--db", str(job.database))
    assert code == 0, said


@pytest.mark.parametrize("topic", ["event_sources"])
def test_a_missing_topic_is_named_at_the_start(
    tmp_path: Path, bootstrap_servers: str, topic: str
) -> None:
    topics = Topics(bootstrap_servers)
    command = [sys.executable, "-m", "flows", "serve", str(tmp_path), *topics.settings]
    named = f"kafka.topics.{topic}={topics[topic]}"
    done = subprocess.run(
        [*command, "--set", named], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert topics[topic] in done.stderr
