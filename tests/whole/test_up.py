"""`tributary up` as a person uses it, and what is left of it after kill -9."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.serve.up import RESTART_WINDOW_SECONDS, RESTARTS_MAX
from tests.chaos.job import PATIENCE, wait_until
from tests.support import raw
from tests.support.brokers.broker import free_port

EMAIL = "jane@example.com"
KILLS = int(os.environ.get("KILLS", "5"))
SIZES = (1, 1, 3, 40, 200)
"""Events per call of each sender: some are judged event by event, some in bulk."""


class Up:
    """A running installation."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.said = folder.with_suffix(".out")
        self.start()
        assert wait_until(lambda: "scope3_" in self.said.read_text())
        secret = self.said.read_text().partition("shown only now: ")[2].split()[0]
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/buyer/advertisers/12345",
            headers={"Authorization": f"Bearer {secret}"},
            timeout=PATIENCE,
        )

    def start(self) -> None:
        command = [sys.executable, "-m", "flows", "up", str(self.folder)]
        with self.said.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)], stdout=output, stderr=output
            )

    def answers(self) -> bool:
        try:
            return self.client.get("/event-sources").status_code == 200
        except httpx.HTTPError:
            return False

    def register(self) -> None:
        assert wait_until(self.answers), self.said.read_text()
        body = {"event_sources": [{"event_source_id": "website_pixel"}]}
        assert self.client.post("/event-sources/sync", json=body).status_code == 200

    def send(self, *events: dict[str, Any]) -> httpx.Response:
        body = {"event_source_id": "website_pixel", "events": list(events)}
        return self.client.post("/log-event", json=body)

    def parts(self) -> dict[str, int]:
        """Return the processes of the API and the job, by their command."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self.process.pid and len(words) > 3:
                found[words[3].decode()] = int(entry.name)
        return found

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def outcomes(self) -> list[tuple[Any, ...]]:
        return self.asked("select event_id, outcome from conversions")

    def asked(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "result.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()


class Beside:
    """A second API in front of the log of an installation, with the same keys."""

    def __init__(self, up: Up) -> None:
        self._up, self._port = up, free_port()
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}{up.client.base_url.path}",
            headers=up.client.headers,
            timeout=PATIENCE,
        )
        self._start()

    def send(self, *events: dict[str, Any]) -> httpx.Response:
        body = {"event_source_id": "website_pixel", "events": list(events)}
        return self._client.post("/log-event", json=body)

    def restart(self) -> None:
        self.kill()
        self._start()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        command = [sys.executable, "-m", "flows", "serve", str(self._up.folder / "log")]
        self._process = subprocess.Popen([*command, "--port", str(self._port)])


@contextmanager
def running(folder: Path) -> Iterator[Up]:
    """Start an installation; nothing of it is left afterwards."""
    up = Up(folder)
    try:
        yield up
    finally:
        for process in up.parts().values():
            os.kill(process, signal.SIGKILL)
        up.process.kill()
        up.process.wait()
        up.client.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with running(tmp_path / "up") as up:
        yield up


def sold(event_id: str, **match: object) -> dict[str, Any]:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = raw.event(event_id, custom_data={"value": 89.99, "currency": "USD"})
    return event | {"event_time": now, "user_match": {"click_id": "c1", **match}}


@pytest.mark.long
def test_from_an_empty_folder_to_a_conversion(up: Up) -> None:
    up.register()
    answer = up.send(sold("one", email=EMAIL), sold("two"))
    assert (answer.status_code, answer.json()["events_processed"]) == (200, 2)
    up.client.post("/event-sources/sync", json={"event_sources": [{"event_source_id": "new"}]})
    body = {"event_source_id": "new", "events": [sold("three")]}
    assert up.client.post("/log-event", json=body).status_code == 200
    measured = {"measurements": [raw.measurement(note=EMAIL), raw.measurement(metric_value=7)]}
    assert up.client.post("/measurement-data/sync", json=measured).status_code == 200
    time.sleep(2)
    assert up.end() == 0, up.said.read_text()
    assert sorted(up.outcomes()) == [(name, "unattributed") for name in ("one", "three", "two")]
    assert up.asked("select metric_value::integer from latest_measurements") == [(7,)]
    done = CliRunner().invoke(app, ["verify", "--db", str(up.folder / "result.duckdb")])
    assert done.exit_code == 0, done.output
    for path in up.folder.rglob("*"):
        assert not path.is_file() or EMAIL.encode() not in path.read_bytes(), path


def test_a_port_that_is_in_use_is_named_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "flows", "up", str(tmp_path / "up"), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1 is in use" in done.stderr
    assert not (tmp_path / "up").exists()


@pytest.mark.long
def test_nothing_is_left_of_an_installation_whose_supervisor_is_killed(up: Up) -> None:
    up.register()
    parts = up.parts().values()
    assert len(parts) == 2
    up.process.kill()
    up.process.wait()
    assert wait_until(lambda: not any(Path(f"/proc/{part}").exists() for part in parts))
    up.start()
    assert wait_until(up.answers), up.said.read_text()


@pytest.mark.long
@pytest.mark.parametrize("secret", ["log", "log/api.sqlite"])
def test_nobody_else_may_read_it(up: Up, secret: str) -> None:
    up.register()
    assert (up.folder / secret).stat().st_mode & 0o077 == 0


@pytest.mark.long
def test_what_was_acknowledged_counts_once_whatever_is_killed(up: Up) -> None:
    up.register()
    acknowledged: list[str] = []
    stopping = threading.Event()
    beside = Beside(up)

    def send_on(sender: int) -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            names = [f"{sender}-{number}-{at}" for at in range(SIZES[sender])]
            try:
                send = beside.send if sender % 2 else up.send
                if send(*map(sold, names)).status_code == 200:
                    acknowledged.extend(names)
            except httpx.HTTPError:
                time.sleep(0.05)

    senders = [threading.Thread(target=send_on, args=(each,)) for each in range(len(SIZES))]
    for sender in senders:
        sender.start()
    for kill in range(KILLS):
        # Beyond so many restarts of a part in a minute, the supervisor would give up.
        time.sleep(1.5 if KILLS <= 2 * RESTARTS_MAX else RESTART_WINDOW_SECONDS / RESTARTS_MAX / 2)
        if kill % 5 == 4:
            beside.restart()
        else:
            os.kill(up.parts()[("serve", "run")[kill % 2]], signal.SIGKILL)
        assert wait_until(up.answers), up.said.read_text()
    time.sleep(1)
    stopping.set()
    for sender in senders:
        sender.join()
    beside.kill()
    time.sleep(3)
    assert up.end() == 0, up.said.read_text()
    counted = Counter(name for name, _ in up.outcomes())
    assert [name for name in acknowledged if counted[name] != 1] == []
    assert max(counted.values()) == 1
    assert len(acknowledged) > 1_000
    done = CliRunner().invoke(app, ["verify", "--db", str(up.folder / "result.duckdb")])
    assert done.exit_code == 0, done.output


@pytest.mark.long
def test_a_job_that_needs_an_operator_ends_all(tmp_path: Path) -> None:
    (tmp_path / "up/state").mkdir(parents=True)
    (tmp_path / "up/state/photo.jpg").write_text(json.dumps({}))
    command = [sys.executable, "-m", "flows", "up", str(tmp_path / "up"), "--port"]
    done = subprocess.run(
        [*command, str(free_port())], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "photo.jpg" in done.stderr
