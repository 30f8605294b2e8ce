"""What questions to a running job cost: `python -m benchmarks.live`; the last line is JSON.

A job reads at a steady rate, first alone, then with many pollers, then with analysts whose queries
keep the machine busy. For each phase: how long commits take and how far apart they are, how soon a
commit is visible, and how long a light question takes.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from threading import Event
from typing import Any, Final

import numpy as np

from benchmarks.harness.feeds import Files
from benchmarks.harness.live_jobs import live_job, run_command
from benchmarks.harness.logs import CACHE, ROOT
from connectors.sql.errors import QueryError
from connectors.sql.reader import Reader, open_reader

RATE: Final = 2_000
PHASE_SECONDS: Final = 25
WARM_SECONDS: Final = 5.0
START_SECONDS_MAX: Final = 60
LIGHT_PER_SECOND: Final = 5
BUSY_SECONDS: Final = 0.01

LIGHT: Final = "select sum(attributed), sum(received) from match_stats"
HEAVY: Final = (
    """select campaign_id, event_type, model, sum(share), sum(attributed_value)
    from attributed_conversions group by all order by 4 desc""",
    "select count(*) from credits a join credits b using (campaign_id, type)",
)
LAST: Final = "select max(seq) from commits"
PHASES: Final = (
    ("alone", 0, (), 0.0),
    ("50 pollers", 50, (LIGHT,), 1.0),
    ("2 analysts", 2, HEAVY, 0.0),
)
"""Who asks beside the bench: how many, what, and how long each waits after an answer."""

COMMITS: Final = """
select seq, epoch_us(committed_at) / 1e6 as at from commits
where committed_at >= to_timestamp(?) order by seq
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One phase; times in milliseconds."""

    phase: str
    commits: int
    commit_p50: int
    commit_p95: int
    visible_p50: int
    visible_p95: int
    light_p50: int
    light_p95: int
    questions: int
    refused: int

    def row(self) -> str:
        """Return the figures as a row of the table."""
        name, *numbers = asdict(self).values()
        return f"{name:<16}" + "".join(f"{number:>11,}" for number in numbers)


class Asked:
    """Counts questions of many threads, until they are to stop."""

    def __init__(self, database: Path) -> None:
        """Ask nothing yet."""
        self._database = database
        self._stop = Event()
        self.answered = self.refused = 0

    def poll(self, sql: Sequence[str], pause: float) -> None:
        """Ask in turn, with a pause after each answer."""
        reader, at = open_reader(self._database, hold=False), 0
        while not self._stop.is_set():
            try:
                reader.query(sql[at % len(sql)])
                self.answered += 1
            except QueryError:
                self.refused += 1
            at += 1
            self._stop.wait(pause)

    @contextmanager
    def by(self, count: int, sql: Sequence[str], pause: float) -> Iterator["Asked"]:
        """Let so many threads ask while the block runs."""
        with ThreadPoolExecutor(max(count, 1)) as pool:
            try:
                for _ in range(count):
                    pool.submit(self.poll, sql, pause)
                yield self
            finally:
                self._stop.set()


class Durations:
    """The durations of a job's commits since a moment, from its histogram, interpolated."""

    def __init__(self, port: int) -> None:
        """Begin now."""
        self._port = port
        self._before = self._counts()

    def _counts(self) -> dict[float, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
            found = _BUCKET.findall(answer.read().decode())
        return {float(bound): float(count) for bound, count in found}

    def milliseconds(self, percent: float) -> int:
        """Return a percentile."""
        counts = {bound: count - self._before[bound] for bound, count in self._counts().items()}
        bounds = sorted(bound for bound in counts if bound < float("inf"))
        wanted = percent / 100 * counts[float("inf")]
        return round(
            np.interp(wanted, [0.0, *(counts[bound] for bound in bounds)], [0, *bounds]) * 1000
        )


_BUCKET: Final = re.compile(
    r'^tributary_commit_duration_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE
)


def watch(name: str, database: Path, port: int, asked: Asked) -> Figures:
    """Watch the job for a while; return what was measured."""
    reader, durations = open_reader(database, hold=False), Durations(port)
    began = time.time()
    seen: dict[int, float] = {}
    light: list[float] = []
    while time.time() < began + PHASE_SECONDS:
        (last,) = _answered(reader, LAST).popitem()[1]
        seen.setdefault(last, time.time())
        if len(light) < (time.time() - began) * LIGHT_PER_SECOND:
            at = time.perf_counter()
            _answered(reader, LIGHT)
            light.append(time.perf_counter() - at)
    committed = _answered(reader, COMMITS, [began])
    visible = [
        seen[seq] - at
        for seq, at in zip(committed["seq"], committed["at"], strict=True)
        if seq in seen
    ]
    return Figures(
        name,
        len(committed["seq"]),
        durations.milliseconds(50),
        durations.milliseconds(95),
        *_percentiles(visible),
        *_percentiles(light),
        asked.answered,
        asked.refused,
    )


def _answered(reader: Reader, sql: str, parameters: Sequence[float] = ()) -> dict[str, list[Any]]:
    """Ask until there is a turn: with many who ask, some have to wait."""
    while True:
        try:
            return dict(reader.query(sql, parameters).to_pydict())
        except QueryError:
            time.sleep(BUSY_SECONDS)


def _percentiles(seconds: Sequence[float]) -> tuple[int, int]:
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    return round(p50), round(p95)


def live(folder: Path) -> list[Figures]:
    """Run a job, and ask it in three ways."""
    feed, database = Files(folder), folder / "result.duckdb"
    _generate(feed, rate=20, seconds=1).wait()
    with live_job(run_command(folder / "log", folder), folder / "job.log") as job:
        job.wait_until(
            lambda metrics: metrics["tributary_records_read_total"] > 0, START_SECONDS_MAX
        )
        sender = _generate(feed, rate=RATE, seconds=len(PHASES) * (PHASE_SECONDS + 10))
        try:
            time.sleep(WARM_SECONDS)
            found = []
            for name, count, sql, pause in PHASES:
                with Asked(database).by(count, sql, pause) as asked:
                    found.append(watch(name, database, job.port, asked))
                print(found[-1].row(), flush=True)
        finally:
            sender.kill()
            sender.wait()
        job.drain()
    return found


def _generate(feed: Files, *, rate: int, seconds: int) -> "subprocess.Popen[bytes]":
    words = ["generate", "live", *feed.sent(), "--rate", str(rate), "--seconds", str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "flows", *words], cwd=ROOT, stdout=subprocess.DEVNULL
    )


def main() -> None:
    """Measure all phases, print a row for each."""
    given = _arguments()
    given.cache.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="live-", dir=given.cache))
    names = ("commits", "commit p50", "p95 ms", "visible p50", "p95 ms", "light p50", "p95 ms")
    print(f"{RATE:,} records per second, {PHASE_SECONDS} s each")
    print(" " * 16 + "".join(f"{name:>11}" for name in (*names, "answered", "refused")))
    try:
        found = live(folder)
    finally:
        shutil.rmtree(folder)
    ratio = found[-1].commit_p95 / max(found[0].commit_p95, 1)
    print(json.dumps({"p95_ratio": round(ratio, 2), "phases": [asdict(each) for each in found]}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE)
    return parser.parse_args()


if __name__ == "__main__":
    main()
