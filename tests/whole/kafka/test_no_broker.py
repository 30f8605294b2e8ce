"""A start that finds no broker."""

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.kafka import cluster, metadata
from flows.cli.app import app
from tests.support.brokers.broker import free_port

START_SECONDS = 1.0
"""Instead of half a minute."""

MARGIN_SECONDS = 10.0
"""For imports, on a busy machine."""


def test_a_start_without_a_broker_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "ANSWER_SECONDS_MAX", START_SECONDS)
    servers = f"127.0.0.1:{free_port()}"
    words = ["run", "--set", f"kafka.bootstrap_servers={servers}", "--allow-unregistered"]
    words += ["--state", str(tmp_path / "state"), "--db", str(tmp_path / "result.duckdb")]
    began = time.monotonic()
    done = CliRunner().invoke(app, words)
    assert time.monotonic() - began < START_SECONDS + MARGIN_SECONDS
    assert done.exit_code == 1
    assert done.output.startswith(f"tributary: Kafka at {servers} cannot be asked: ")
    assert done.output.endswith(
        ". Check that it runs, kafka.bootstrap_servers, and what kafka.options say of security\n"
    )
    assert done.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_start_waits_as_long_as_the_documentation_says() -> None:
    page = Path(__file__).parents[3] / "docs/kafka.md"
    told = f"the job ends after {cluster.ANSWER_SECONDS_MAX} s with 1 and says so"
    assert told in page.read_text(encoding="utf-8")
