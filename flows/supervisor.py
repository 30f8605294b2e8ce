"""Several processes as one: all run, or all are ended and started again together.

The engine cannot take a single process back into a running cluster, so one that dies takes the
others with it. Nothing is lost by that: they all go on from the last committed epoch. Here is only
when to start, end and give up; what the processes do is the caller's.
"""

import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flows.stopping import BROKEN, FAILED, Stopping

Process = subprocess.Popen[bytes]

POLL_SECONDS: Final = 0.05
"""Between looks at the processes; a restart takes far longer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a run is started again, and how long things may take, in seconds."""

    restarts_max: int = 5
    """A fault that passes is over after one or two restarts; what is left needs a person."""
    restart_window: float = 600.0
    """Restarts longer ago than this do not count: the run has worked since."""
    backoff_min: float = 0.5
    """Before the first restart; each further one within the window waits twice as long."""
    backoff_max: float = 15.0
    drain_max: float = 60.0
    """For all processes to end after they were asked; a drain takes a few epochs."""


class Supervisor:
    """Starts all processes, and starts them again when one dies, until asked to stop."""

    def __init__(
        self,
        start: Callable[[], Sequence[Process]],
        stopping: Stopping,
        *,
        tell: Callable[[str], None],
        limits: Limits | None = None,
    ) -> None:
        """Take what starts the processes; `tell` is given a sentence per restart."""
        self._start = start
        self._stopping = stopping
        self._tell = tell
        self._limits = limits or Limits()
        self._restarts: deque[float] = deque()

    def run(self) -> int:
        """Run until all processes have ended well, or for good; give the exit code."""
        while True:
            code = self._run_once(self._start())
            if code in {0, BROKEN}:
                return code
            if self._stopping():
                self._tell(f"a process ended with {code} instead of draining; nothing is lost")
                return FAILED
            if not self._may_restart():
                self._tell(self._gave_up(code))
                return FAILED
            self._wait(code)

    def _run_once(self, processes: Sequence[Process]) -> int:
        """Watch the processes; give 0 when all have ended well, else the code of one that died."""
        try:
            return self._watch(processes)
        finally:
            end_all(processes)

    def _watch(self, processes: Sequence[Process]) -> int:
        deadline: float | None = None
        while True:
            if codes := [code for each in processes if (code := each.poll())]:
                # One that ended for good took its peers with it, and may be noticed after them.
                return BROKEN if BROKEN in codes else codes[0]
            if all(each.returncode == 0 for each in processes):
                return 0
            if deadline is None and self._stopping():
                deadline = time.monotonic() + self._limits.drain_max
                for each in processes:
                    each.terminate()
            if deadline is not None and time.monotonic() > deadline:
                return FAILED
            time.sleep(POLL_SECONDS)

    def _may_restart(self) -> bool:
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > self._limits.restart_window:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self._limits.restarts_max

    def _wait(self, code: int) -> None:
        number, limits = len(self._restarts), self._limits
        pause = min(limits.backoff_min * 2 ** (number - 1), limits.backoff_max)
        self._tell(
            f"a process ended with {code}; all start again from the last commit in {pause:g} s "
            f"(restart {number} of {limits.restarts_max})"
        )
        until = time.monotonic() + pause
        while time.monotonic() < until and not self._stopping():
            time.sleep(POLL_SECONDS)

    def _gave_up(self, code: int) -> str:
        limits = self._limits
        return (
            f"a process ended with {code}, after {limits.restarts_max} restarts within "
            f"{limits.restart_window:g} s; mend what it says above and start again"
        )


def end_all(processes: Sequence[Process]) -> None:
    """End what still runs, at once, and take leave of all: the state on disk is safe."""
    for each in processes:
        if each.poll() is None:
            each.kill()
    for each in processes:
        each.wait()
        if each.stdin is not None:
            each.stdin.close()
