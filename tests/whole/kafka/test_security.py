"""A run against a broker with a guard: options in a file, the secret in the environment alone."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.kafka import cluster
from flows.cli.app import app
from tests.chaos.job import wait_until
from tests.support import raw
from tests.support.brokers.broker import jars, running
from tests.support.brokers.harness import KafkaJob, Topics, committed_of
from tests.support.brokers.secured import PASSWORD, Secured, secured
from tests.support.brokers.topics import everything
from tests.whole.kafka.test_run import rows, seen, sold

pytestmark = pytest.mark.long

SASL_SECRET = "TRIBUTARY_KAFKA__OPTIONS__SASL__PASSWORD"
KEY_SECRET = "TRIBUTARY_KAFKA__OPTIONS__SSL__KEY__PASSWORD"
SECRETS = {"SASL_PLAINTEXT": SASL_SECRET, "SASL_SSL": SASL_SECRET, "SSL": KEY_SECRET}

START_SECONDS = 3.0
"""Instead of half a minute, for a start that cannot succeed."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if jars() is None:
        pytest.skip("Apache Kafka is not there: make kafka")
    guarded = secured(tmp_path_factory.mktemp("secured"))
    with running(guarded.broker):
        yield guarded


@pytest.fixture(params=SECRETS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(guarded: Secured, protocol: str, tmp_path: Path) -> Path:
    """Write the settings file of an operator."""
    options = guarded.options(protocol)
    lines = ["[kafka]", f'bootstrap_servers = "{guarded.address(protocol)}"', "[kafka.options]"]
    lines += [f'{name} = "{value}"' for name, value in options.items()]
    path = tmp_path / "tributary.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def job(guarded: Secured, tmp_path: Path) -> Iterator[KafkaJob]:
    """Yield a job over topics that were filled behind the guard's back."""
    topics = Topics(guarded.broker.bootstrap_servers)
    topics.create()
    job = KafkaJob(tmp_path, topics)
    job.data.mkdir()
    (job.data / "event_sources.json").write_text(json.dumps([raw.source()]), encoding="utf-8")
    topics.send("impressions", seen("i1"), b"no record")
    topics.send("events", sold("one"))
    yield job
    if job.process is not None:
        job.kill()


def has_one(topics: Topics, name: str) -> bool:
    return len(everything(topics.servers, topics[name])) == 1


def test_who_knows_the_secret_is_let_in(
    guarded: Secured,
    protocol: str,
    config: Path,
    job: KafkaJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To read, to publish, to set aside and to tell the group."""
    monkeypatch.setenv(SECRETS[protocol], PASSWORD)
    behind = job.topics
    job.topics = replace(behind, servers=guarded.address(protocol))
    job.start("--config", str(config))
    job.topics = behind
    assert wait_until(lambda: sum(committed_of(job).values()) == 3), job.said
    assert wait_until(lambda: has_one(behind, "conversions")), job.said
    assert has_one(behind, "dead_letters")
    assert job.drain() == 0, job.said
    assert rows(job, "select event_id from conversions") == [("one",)]
    assert PASSWORD not in job.said


def test_a_wrong_secret_ends_the_start(
    protocol: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "wrong-secret"
    monkeypatch.setenv(SECRETS[protocol], wrong)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS_MAX", START_SECONDS)
    words = ["run", "--config", str(config), "--allow-unregistered"]
    words += ["--state", str(tmp_path / "state"), "--db", str(tmp_path / "result.duckdb")]
    done = CliRunner().invoke(app, words)
    # A key that does not open is a mistake at once; a broker lets one wait, as in an outage.
    assert done.exit_code == (2 if protocol == "SSL" else 1), done.output
    assert done.output.startswith("tributary: ")
    assert "kafka.options" in done.output
    assert done.output.count("\n") == 1
    assert wrong not in done.output
    assert not (tmp_path / "state").exists()


def test_the_secret_is_shown_nowhere(
    protocol: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRETS[protocol], PASSWORD)
    done = CliRunner().invoke(app, ["config", "--config", str(config)])
    assert done.exit_code == 0
    assert PASSWORD not in done.output
    assert "********" in done.output
