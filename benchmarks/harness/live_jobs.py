"""A continuous run in its own process, observed from outside while it runs."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness.logs import ROOT
from tests.support.brokers.broker import free_port

RUN: Final = (sys.executable, "-m", "flows", "run")

LOOK_SECONDS: Final = 0.05
"""Seconds between two readings of the metrics in `wait_until`."""

DRAIN_SECONDS_MAX: Final = 300

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LiveJob:
    """A run in progress; `log` is the file of its output."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def metrics(self) -> Mapping[str, float]:
        """Return the metrics, each summed over its labels; empty before the job serves them."""
        try:
            address = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(address, timeout=30) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, OSError):
            return {}
        found: dict[str, float] = defaultdict(float)  # a metric without a value yet is missing
        for name, value in _SAMPLE.findall(text):
            found[name] += float(value)
        return found

    def wait_until(
        self, holds: Callable[[Mapping[str, float]], bool], seconds: float
    ) -> Mapping[str, float]:
        """Wait until the metrics satisfy `holds`; exit with the job's last output if it ends."""
        until = time.monotonic() + seconds
        while not ((metrics := self.metrics()) and holds(metrics)):
            if self.process.poll() is not None:
                self._fail(f"the job ended with {self.process.returncode}")
            if time.monotonic() > until:
                self._fail(f"the job did not come so far within {seconds:g} s")
            time.sleep(LOOK_SECONDS)
        return metrics

    def cpu_seconds(self) -> float:
        """Return the CPU time so far over all threads."""
        path = Path(f"/proc/{self.process.pid}/stat")
        fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mb(self) -> float:
        """Return the resident memory of the process, without mapped files."""
        path = Path(f"/proc/{self.process.pid}/status")
        return int(path.read_text(encoding="utf-8").partition("RssAnon:")[2].split()[0]) / 1024

    def drain(self) -> float:
        """End the job by SIGTERM; return its total CPU seconds."""
        self.process.terminate()
        until = time.monotonic() + DRAIN_SECONDS_MAX
        while True:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                self._fail("the job does not drain")
            time.sleep(LOOK_SECONDS)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode:
            self._fail(f"a drain ended with {self.process.returncode}")
        return usage.ru_utime + usage.ru_stime

    def kill(self) -> None:
        """Kill the job by SIGKILL."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _fail(self, why: str) -> None:
        sys.exit(f"{why}; it said:\n{self.log.read_text(encoding='utf-8')}")


@contextmanager
def live_job(command: Sequence[str], log: Path) -> Iterator[LiveJob]:
    """Start a job that accepts `--metrics-port`; it is ended with the block at the latest."""
    port = free_port()
    with log.open("wb") as screen:
        process = subprocess.Popen(
            [*command, "--metrics-port", str(port)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=screen,
            stderr=screen,
        )
    job = LiveJob(process, port, log)
    try:
        yield job
    finally:
        job.kill()


def run_command(data: Path, folder: Path, *settings: str) -> list[str]:
    """Return the command of a run over `data`, with state and result in `folder`."""
    command = [*RUN, "--data", str(data), "--state", str(folder / "state")]
    command += ["--db", str(folder / "result.duckdb")]
    return command + [word for setting in settings for word in ("--set", setting)]
