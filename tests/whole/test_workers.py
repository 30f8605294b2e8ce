"""Several processes on one port: each writes files of its own, and all are ended together."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from connectors.api.keys import KeyStore
from flows.serve.serve import KEYS
from tests.chaos.job import PATIENCE, wait_until
from tests.support import raw
from tests.support.brokers.broker import free_port


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str, dict[str, str], subprocess.Popen[bytes]]]:
    _, secret = KeyStore(tmp_path / KEYS).create("tests")
    port = free_port()
    command = [sys.executable, "-m", "flows", "serve", str(tmp_path), "--port", str(port)]
    with subprocess.Popen([*command, "--workers", "2"]) as process:
        base = f"http://127.0.0.1:{port}/api/buyer/advertisers/adv"
        yield tmp_path, base, {"Authorization": f"Bearer {secret}"}, process
        process.kill()


@pytest.mark.long
def test_calls_are_shared_and_each_is_stored_once(
    served: tuple[Path, str, dict[str, str], subprocess.Popen[bytes]],
) -> None:
    folder, base, headers, process = served

    def is_there() -> bool:
        try:
            return httpx.get(f"{base}/event-sources", headers=headers).status_code == 200
        except httpx.TransportError:
            return False

    assert wait_until(is_there)
    body: dict[str, object] = {"event_sources": [{"event_source_id": "src"}]}
    synced = httpx.post(f"{base}/event-sources/sync", json=body, headers=headers, timeout=PATIENCE)
    assert synced.status_code == 200
    receipts = set()
    for number in range(60):
        body = {"event_source_id": "src", "events": [raw.event(f"e{number}")]}
        # A connection of its own for each, so that the kernel chooses who answers.
        answer = httpx.post(f"{base}/log-event", json=body, headers=headers, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        receipts.add(answer.headers["Tributary-Receipt"])
    assert len(receipts) == 60
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) in {0, -signal.SIGTERM}
    files = list(folder.glob("events-api*.ndjson"))
    assert len({path.name.split("-")[1] for path in files}) == 2, "both have answered"
    assert sum(len(path.read_bytes().splitlines()) for path in files) == 60


def test_what_keeps_it_from_starting_is_said_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows", "serve", str(tmp_path / "none"), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("does not exist") == 1
