"""Measures a continuous run in its own process, fed by the generator at a steady rate."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness.feeds import Feed, Place
from benchmarks.harness.logs import ROOT
from tests.support.brokers.broker import free_port

START_SECONDS_MAX: Final = 60
CATCH_UP_SECONDS: Final = 3
"""Seconds between the last record and SIGTERM."""

DRAIN_SECONDS_MAX: Final = 300
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_COMMAND: Final = [sys.executable, "-m", "flows"]


@dataclass(frozen=True, slots=True)
class Drive:
    """The result of a drive: when event documents were appended (s), and resources of the job.

    `commit_seconds` is the mean duration of a commit, `stolen` the share of CPU time stolen by
    other virtual machines on the host.
    """

    rate: int
    seconds: float
    appended: dict[Place, float]
    database: Path
    cpu_seconds: float
    resident_mb: float
    commit_seconds: float
    stolen: float
    said: str

    @property
    def reached(self) -> int:
        """Return the records per second that the generator reported."""
        found = re.search(r"([\d,]+) per second", self.said)
        assert found, self.said
        return int(found[1].replace(",", ""))


def driven(feed: Feed, folder: Path, *, rate: int, seconds: int, extra: Sequence[str]) -> Drive:
    """Start a job, send records to it for `seconds`, end it; return the measurements."""
    _done(feed.made())
    database = folder / "result.duckdb"
    with _job([*feed.read(), *extra], folder, database) as (job, port):
        before, machine = _cpu_seconds(job.pid), _machine_ticks()
        started = time.monotonic()
        sent = ["generate", "live", *feed.sent(), "--rate", str(rate), "--seconds", str(seconds)]
        said = _done(sent)
        time.sleep(CATCH_UP_SECONDS)
        took = time.monotonic() - started
        if job.poll() is not None:
            sys.exit(f"the job ended with {job.returncode}:\n{(folder / 'job.log').read_text()}")
        cpu, resident = _cpu_seconds(job.pid) - before, _resident_mb(job.pid)
        commit = _commit_seconds(port)
        stolen, all_ticks = (
            now - then for now, then in zip(_machine_ticks(), machine, strict=True)
        )
    share = stolen / all_ticks
    return Drive(rate, took, feed.appended(), database, cpu, resident, commit, share, said)


@contextmanager
def _job(
    options: Sequence[str], folder: Path, database: Path
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a job, yield it with its port after its first epoch, and end it by SIGTERM."""
    port = free_port()
    command = [*_COMMAND, "run", "--state", str(folder / "state"), "--db", str(database)]
    with (folder / "job.log").open("wb") as log:
        job = subprocess.Popen(
            [*command, "--metrics-port", str(port), *options], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        _await(job, port, folder / "job.log")
        yield job, port
        job.terminate()
        if job.wait(DRAIN_SECONDS_MAX):
            sys.exit(f"the job ended with {job.returncode}:\n{(folder / 'job.log').read_text()}")
    finally:
        job.kill()
        job.wait()


def _await(job: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not _is_well(port):
        if job.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the job does not start:\n{log.read_text()}")
        time.sleep(0.1)


def _is_well(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


_COMMITS: Final = re.compile(r"^tributary_commit_duration_seconds_(sum|count) (\S+)$", re.MULTILINE)


def _commit_seconds(port: int) -> float:
    """Return the mean duration of a commit, from the job's metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        found = dict(_COMMITS.findall(answer.read().decode()))
    return float(found["sum"]) / float(found["count"])


def _done(words: Sequence[str]) -> str:
    """Run a `tributary` command to its end; return its output."""
    done = subprocess.run(
        [*_COMMAND, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def _machine_ticks() -> tuple[int, int]:
    """Return the stolen CPU time of this machine, and its total CPU time."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[7], sum(ticks)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process over all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mb(pid: int) -> float:
    """Return the peak resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
