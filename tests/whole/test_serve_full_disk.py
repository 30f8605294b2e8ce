"""A disk that fills up under the API: what was acknowledged is stored, and nothing else counts."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from connectors.api.keys import KeyStore
from connectors.registry.growing import SourceFile
from connectors.spool.writer import Spool
from flows.process.stopping import BROKEN
from flows.serve.serve import KEYS
from tests.chaos.job import PATIENCE, wait_until
from tests.support import raw
from tests.support.brokers.broker import free_port

ROOM = 300_000
"""Bytes that a file may have: then the kernel refuses to write, as a full disk does."""


@pytest.mark.long
def test_what_was_acknowledged_is_there_after_the_disk_was_full(tmp_path: Path) -> None:
    _, secret = KeyStore(tmp_path / KEYS).create("tests")
    SourceFile(tmp_path).append([raw.source()])
    port = free_port()
    command = [sys.executable, "-m", "flows", "serve", str(tmp_path), "--port", str(port)]
    limited = (
        f"import resource, os, sys; resource.setrlimit({resource.RLIMIT_FSIZE}, ({ROOM}, {ROOM}))"
    )
    limited += "; os.execv(sys.argv[1], sys.argv[1:])"
    said = tmp_path / "said.txt"
    with said.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", limited, *command], stderr=output)
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/api/buyer/advertisers/adv",
        headers={"Authorization": f"Bearer {secret}"},
        timeout=PATIENCE,
    )

    def answers() -> bool:
        try:
            return client.get("/event-sources").json()["total"] == 1
        except (httpx.HTTPError, KeyError):
            return False

    assert wait_until(answers)
    acknowledged = []
    for number in range(1_000):
        body = {
            "event_source_id": "src",
            "events": [raw.event(f"e{number}", ext={"x": "y" * 2_000})],
        }
        try:
            status = client.post("/log-event", json=body).status_code
        except httpx.TransportError:
            break
        if status != 200:
            assert status == 503
            break
        acknowledged.append(f"e{number}")
    assert process.wait(PATIENCE) == BROKEN
    client.close()
    assert "the log cannot be written" in said.read_text()
    assert 10 < len(acknowledged) < 200
    Spool(tmp_path, "events", print).close()  # the next start cuts what is unfinished
    replayed = [sys.executable, "-m", "flows", "replay", str(tmp_path), "--db"]
    (tmp_path / "impressions.ndjson").touch()
    done = subprocess.run(
        [*replayed, str(tmp_path / "result.duckdb"), "--quiet"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    select = [sys.executable, "-m", "flows", "sql", "--db", str(tmp_path / "result.duckdb")]
    found = subprocess.run(
        [*select, "--format", "json", "select event_id from conversions"],
        capture_output=True,
        check=True,
    ).stdout
    stored = [row["event_id"] for row in json.loads(found)]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored)) <= len(acknowledged) + 1
