"""The job under test: `tributary run` as a process of its own, to be killed and started again."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from attribution.policy import Policy

TIMES: Final = {
    "post_click": "20s",
    "post_view": "5s",
    "probabilistic_window": "3s",
    "settle_delay": "1s",
    "max_event_delay": "1m",
    "dedup_window": "4s",
    "clock_skew": "1s",
}
"""Short, so that within seconds windows end, keys are free again and everything settles."""

POLICY: Final = Policy.model_validate(TIMES)
SETTINGS: Final = (
    *(f"policy.{name}={duration}" for name, duration in TIMES.items()),
    "flow.epoch_interval=100ms",
    "flow.key_groups=4",
    "live_sql.quack=false",  # half a second of each start
)

PATIENCE: Final = 30.0
"""Seconds for anything that a job should do within a few."""


@dataclass(slots=True)
class Job:
    """One state, its log and its database; `run` at most once at a time."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)

    @property
    def data(self) -> Path:
        """The log."""
        return self.folder / "data"

    @property
    def reads(self) -> list[str]:
        """The options that say what to read."""
        return ["--data", str(self.data)]

    @property
    def database(self) -> Path:
        """The result file."""
        return self.folder / "result.duckdb"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / "state"

    @property
    def said(self) -> str:
        """What all runs have written on stderr."""
        path = self.folder / "stderr"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def start(self, *options: str, failpoint: str = "") -> None:
        """Start the job; `failpoint` is a place and a count."""
        words = [sys.executable, "-m", "tests.chaos.small", "run", *self.reads]
        words += ["--state", str(self.state), "--db", str(self.database)]
        words += [word for setting in SETTINGS for word in ("--set", setting)]
        words += options
        self._started = time.time()
        with (self.folder / "stderr").open("ab") as stderr:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                env=os.environ | {"TRIBUTARY_FAILPOINT": failpoint},
            )

    def wait(self, seconds: float) -> int | None:
        """Return the exit code; None while it runs on."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def wait_until_it_writes(self, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until this run has written to the result file, unless it ends before.

        The first time notes the start, all others are commits.
        """
        log, seen = self.folder / "result.duckdb.wal", {0}

        def writes() -> bool:
            with suppress(FileNotFoundError):  # a checkpoint takes it away
                status = log.stat()
                if status.st_mtime > self._started:
                    seen.add(status.st_mtime_ns)
            return len(seen) > times

        wait_until(lambda: writes() or self.wait(0) is not None, seconds)

    def kill(self) -> int:
        """End the job as a power cut would, if it still runs; give the exit code."""
        assert self.process is not None
        self.process.kill()
        code = self.process.wait()
        assert wait_until(self._is_free), f"{self.state} stays in use"
        return code

    def _is_free(self) -> bool:
        """Return whether the last process of the job has let go of the state."""
        lock = self.state / "lock"
        if not lock.exists():
            return True
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def kill_a_child(self, at: int) -> None:
        """End one of the processes of the job, which lets it start all of them again."""
        assert self.process is not None
        children = children_of(self.process.pid)
        if children:
            os.kill(children[at % len(children)], signal.SIGKILL)

    def drain(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the job to end, and give its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.wait(PATIENCE)
        assert code is not None, "the job does not drain"
        return code


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [int(each) for each in told.split()]


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Wait for something to happen; tell whether it did."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
