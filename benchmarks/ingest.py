"""Calls of log-event per second and what they cost: `python -m benchmarks.ingest`.

Calls of 10,000, 100 and 1 events are sent over loopback; an answer means that they are synced to
disk. CPU is that of the server alone. In the same run: what decoding the same lines costs without a
server, a server with a body model of the framework, and one that only reads. The last line is JSON.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import httpx
import numpy as np
from pydantic import ValidationError

from attribution.policy import Policy
from attribution.registry import Registry, SourceVersion
from benchmarks.harness.http_load import Load, request, send
from benchmarks.harness.ingest_picture import draw
from benchmarks.harness.logs import CACHE, ROOT, cached_log
from benchmarks.harness.plain_servers import Event
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.lines import Lines
from tests.support.brokers.broker import free_port

EVENTS: Final = 200_000
PATH: Final = "/api/buyer/advertisers/bench/log-event"
SIZES: Final = (10_000, 100, 1)
CONNECTIONS: Final = {10_000: 2, 100: 64, 1: 64}
PICTURE: Final = ROOT / "docs" / "ingest.svg"
_UNLIMITED: Final = ("--set", "api.requests_per_minute=0", "--set", "api.events_per_minute=0")
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    pid: int
    port: int
    key: str

    def cpu(self) -> float:
        """Return the CPU seconds of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def tributary(folder: Path) -> Iterator[Server]:
    """Run `tributary serve` with a source for everything."""
    folder.mkdir()
    ours = [sys.executable, "-m", "flows"]
    made = subprocess.run(
        [*ours, "keys", "create", str(folder), "--name", "bench"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    key = next(word for word in made.stdout.split() if word.startswith("scope3_"))
    port = free_port()
    with _running(
        [*ours, "serve", str(folder), "--port", str(port), *_UNLIMITED], port, key
    ) as server:
        httpx.post(
            f"http://127.0.0.1:{port}{PATH.replace('log-event', 'event-sources/sync')}",
            json={"event_sources": [{"event_source_id": "bench"}]},
            headers={"Authorization": f"Bearer {key}"},
        ).raise_for_status()
        yield server


@contextmanager
def plain(name: str) -> Iterator[Server]:
    """Run one of the servers to compare with."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.harness.plain_servers", name, str(port)]
    with _running(command, port, "") as server:
        yield server


@contextmanager
def _running(command: list[str], port: int, key: str) -> Iterator[Server]:
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            _await_port(port)
            yield Server(process.pid, port, key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _await_port(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"nothing listens on {port} after 20 s")


def bodies(log: Path, size: int) -> list[bytes]:
    """Return calls of `size` events each, of the generated ones that are not tests."""
    events: list[dict[str, Any]] = []
    for file in sorted(log.glob("events-*.ndjson")):
        for line in file.open("rb"):
            try:
                envelope = json.loads(line)
            except ValueError:
                continue
            if not isinstance(envelope, dict) or "test_event_code" in envelope:
                continue
            if isinstance(envelope.get("events"), list):
                events += envelope["events"]
    count = max(min(len(events) // size, 2_000), 1)
    return [
        json.dumps(
            {"event_source_id": "bench", "events": events[at * size : (at + 1) * size]},
            separators=(",", ":"),
        ).encode()
        for at in range(count)
    ]


def decoding_cost(calls: list[bytes], size: int) -> float:
    """Return CPU microseconds per event that the bulk decoder alone takes."""
    source = SourceVersion(advertiser_id="bench", event_source_id="bench", name="bench")
    registry = Registry(versions={("bench", "bench"): (source,)})
    lines = [
        b'{"received_at":"2026-05-01T00:00:00Z","advertiser_id":"bench",' + call[1:]
        for call in calls
    ]
    groups = [lines[at : at + max(10_000 // size, 1)] for at in range(0, len(lines), 2)][:20]
    started = time.process_time()
    for group in groups:
        decoder = PartitionDecoder("events", "p", policy=Policy(), registry=registry)
        decoder.decode(Lines.of_documents(group), np.arange(len(group)))
    return (time.process_time() - started) / sum(map(len, groups)) / size * 1e6


def measure(
    server: Server, calls: list[bytes], path: str, size: int, seconds: float
) -> tuple[Load, float]:
    """Send as fast as answers come; return the load, and CPU microseconds per event."""
    requests = [request(path, call, server.key) for call in calls]
    send(server.port, requests, connections=CONNECTIONS[size], seconds=1)
    before = server.cpu()
    load = send(server.port, requests, connections=CONNECTIONS[size], seconds=seconds)
    return load, (server.cpu() - before) / len(load.milliseconds) / size * 1e6


def main() -> None:
    """Measure, print a row each, and the figures as JSON; draw the picture if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (10)")
    parser.add_argument("--picture", action="store_true", help=f"draw {PICTURE.name}")
    asked = parser.parse_args()
    log = cached_log(CACHE, impressions=1_000, events=EVENTS)
    folder = Path(mkdtemp(prefix="tributary-ingest-"))
    print(f"{'':28}{'events/s':>10}{'calls/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'CPU us/event':>14}")
    try:
        found = ours(folder, log, asked.seconds)
        found |= beside(log, asked.seconds)
    finally:
        shutil.rmtree(folder)
    found["cpu_ratio_to_decoder"] = found["cpu_us_per_event_10000"] / found["decoder_us_per_event"]
    if asked.picture:
        PICTURE.write_text(picture(found), encoding="utf-8")
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


def ours(folder: Path, log: Path, seconds: float) -> dict[str, float]:
    """Measure the API with calls of every size, and single events at half their rate."""
    found: dict[str, float] = {}
    for size in SIZES:
        calls = bodies(log, size)
        with tributary(folder / str(size)) as server:
            load, cost = measure(server, calls, PATH, size, seconds)
            found[f"events_per_second_{size}"] = _row(f"{size} events", load, size, cost)
            found[f"cpu_us_per_event_{size}"] = cost
            if size == 1:
                requests = [request(PATH, call, server.key) for call in calls]
                rate = load.calls_per_second / 2
                half = send(server.port, requests, connections=64, seconds=seconds, rate=rate)
                _row("1 event, half the rate", half, 1, 0)
                found["p99_ms"] = half.percentile(99)
    return found


def beside(log: Path, seconds: float) -> dict[str, float]:
    """Measure what the API is compared with."""
    calls = bodies(log, 10_000)
    found = {"decoder_us_per_event": decoding_cost(calls, 10_000)}
    print(f"{'decoder alone':28}{'':34}{found['decoder_us_per_event']:14.2f}")
    for name, given in (
        ("model_body", [_plain_body(each) for each in calls]),
        ("read_only", calls),
    ):
        with plain(name) as server:
            load, cost = measure(server, given, "/", 10_000, seconds)
            found[f"{name}_events_per_second"] = _row(name, load, 10_000, cost)
            found[f"{name}_us_per_event"] = cost
    return found


def picture(found: dict[str, float]) -> str:
    """Draw what an event costs."""
    return draw(
        [
            ("the decoder alone", found["decoder_us_per_event"], False),
            ("calls of 10,000 events", found["cpu_us_per_event_10000"], True),
            ("calls of 100 events", found["cpu_us_per_event_100"], True),
            ("a body model that stores nothing", found["model_body_us_per_event"], False),
        ]
    )


def _plain_body(call: bytes) -> bytes:
    """Return a call with other events in the place of those that the model refuses.

    It would refuse the whole call for one of them.
    """
    document = json.loads(call)
    good = [each for each in document["events"] if _is_valid(each)]
    document["events"] = [*islice(cycle(good), len(document["events"]))]
    return json.dumps(document, separators=(",", ":")).encode()


def _is_valid(event: object) -> bool:
    try:
        Event.model_validate(event)
    except ValidationError:
        return False
    return True


def _row(name: str, load: Load, size: int, cost: float) -> float:
    rate = load.calls_per_second * size
    print(
        f"{name:28}{rate:10,.0f}{load.calls_per_second:9,.0f}{load.percentile(50):8.1f}"
        f"{load.percentile(99):8.1f}{cost:14.2f}",
        flush=True,
    )
    return rate


if __name__ == "__main__":
    main()
