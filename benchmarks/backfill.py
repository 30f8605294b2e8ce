"""A job that starts with a month of backlog in topics: how far the watermarks drift apart.

There are many times more impressions than events. The last line is JSON: the largest difference
between the streams' watermarks while both have a backlog, the peak memory (of the first process),
and the throughput. Arguments are options of `tributary run`: `--processes 2`.
"""

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from benchmarks.harness.logs import CACHE, cached_log
from connectors.kafka.cluster import Cluster
from connectors.kafka.topics import Topic, create_topics
from tests.support.brokers.broker import apache, free_port, jars, running, tansu

IMPRESSIONS: Final = 400_000
EVENTS: Final = 20_000
PARTITIONS: Final = 4
KEEP: Final = {"retention.ms": "-1"}  # otherwise the broker deletes a month that is long past
SAMPLE_SECONDS: Final = 0.05
SECONDS_MAX: Final = 300
STREAMS: Final = ("events", "impressions")

_VALUE: Final = re.compile(
    r"^(tributary_\w+|process_resident_memory_bytes)(?:\{(.*)\})? (\S+)$", re.MULTILINE
)
_RECEIVED: Final = re.compile(rb'"received_at":"([^"]+)"')


@dataclass
class Drift:
    """The samples of a job so far: seconds and bytes; `ends` are the last arrivals by stream.

    Drift is measured only while both streams have a backlog.
    """

    ends: list[float]
    spread: float = 0.0
    peak: float = 0.0
    marks: dict[str, float] = field(default_factory=dict)

    def look(self, port: int) -> None:
        """Sample the metrics of the job; do nothing if it does not serve them yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
                said = answer.read().decode()
        except OSError:
            return
        found = {(name, labels): float(value) for name, labels, value in _VALUE.findall(said)}
        marks = {
            stream: found.get(("tributary_watermark_seconds", f'stream="{stream}"'), 0.0)
            for stream in STREAMS
        }
        if min(marks.values()) > 0 and max(marks.values()) < min(self.ends):
            self.spread = max(self.spread, max(marks.values()) - min(marks.values()))
        self.marks = marks
        self.peak = max(self.peak, found.get(("process_resident_memory_bytes", ""), 0.0))


def main() -> None:
    """Fill topics, start a job on them, and watch it until it has caught up."""
    log = cached_log(CACHE, impressions=IMPRESSIONS, events=EVENTS)
    folder = Path(tempfile.mkdtemp(prefix="backfill-"))
    with running(apache(folder) if jars() else tansu(folder)) as broker:
        counts = {stream: _fill(broker.bootstrap_servers, stream, log) for stream in STREAMS}
        drift = Drift([last for _, last in counts.values()])
        records = sum(count for count, _ in counts.values())
        seconds = _watch(folder, broker.bootstrap_servers, log, drift)
    print(
        json.dumps(
            {
                "records": records,
                "records_by_stream": {stream: count for stream, (count, _) in counts.items()},
                "seconds": round(seconds, 1),
                "records_per_second": round(records / seconds),
                "spread_hours": round(drift.spread / 3600, 2),
                "peak_rss_mb": round(drift.peak / 1e6),
            }
        )
    )


def _fill(servers: str, stream: str, log: Path) -> tuple[int, float]:
    """Send a stream in order of arrival; return the number of records and the last arrival."""
    create_topics(Cluster(servers), [Topic(_topic(stream), PARTITIONS, KEEP)], replication=1)
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50, "compression.type": "zstd"})
    count, last = 0, b""
    for line in _lines(log, stream):
        received = _RECEIVED.search(line)
        last = max(last, received[1] if received else b"")
        at = round(datetime.fromisoformat(last.decode()).timestamp() * 1000) if last else 0
        while True:
            try:
                producer.produce(_topic(stream), line, partition=count % PARTITIONS, timestamp=at)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
    producer.flush()
    return count, datetime.fromisoformat(last.decode()).timestamp()


def _topic(stream: str) -> str:
    return f"adcp.{stream}.v1"


def _lines(log: Path, stream: str) -> Iterator[bytes]:
    for path in sorted(log.glob(f"{stream}*.ndjson")):
        with path.open("rb") as file:
            yield from (line.rstrip(b"\n") for line in file)


def _watch(folder: Path, servers: str, log: Path, drift: Drift) -> float:
    """Run the job until it has caught up; return the seconds it took."""
    port = free_port()
    command = [sys.executable, "-m", "flows", "run", "--sources", str(log / "event_sources.json")]
    command += ["--state", str(folder / "state"), "--db", str(folder / "result.duckdb")]
    command += ["--metrics-port", str(port), "--set", f"kafka.bootstrap_servers={servers}"]
    command += ["--set", "kafka.dead_letters.enabled=false", *sys.argv[1:]]
    began = time.monotonic()
    job = subprocess.Popen(command)
    try:
        while min(drift.marks.values(), default=0.0) <= max(drift.ends):
            assert job.poll() is None, "the job has ended"
            assert time.monotonic() - began < SECONDS_MAX, f"still at {drift}"
            drift.look(port)
            time.sleep(SAMPLE_SECONDS)
        took = time.monotonic() - began
        job.send_signal(signal.SIGTERM)
        job.wait(30)
    finally:
        job.kill()
    return took


if __name__ == "__main__":
    main()
