"""Supervises the processes of a run: all run, or all are ended and restarted together.

A single process cannot rejoin a running Bytewax cluster, so if one dies, all are restarted. The
same holds if one hangs, because no epoch ends without it. Nothing is lost: all resume from the last
committed epoch. This module decides when to start, end and give up; the caller defines what runs.
"""

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from flows.process.stopping import BROKEN, FAILED, Stopping

Process = subprocess.Popen[bytes]

POLL_SECONDS: Final = 0.05
"""Seconds between checks of the processes; a restart takes far longer."""

PULSE_SECONDS: Final = 0.5
"""Seconds between readings of the value that changes with every epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The number of restarts, and time limits in seconds."""

    restarts_max: int = 5
    """A transient fault is over after one or two restarts; anything else needs an operator."""
    restart_window: float = 600.0
    """Older restarts do not count: the run has worked since."""
    backoff_min: float = 0.5
    """The wait before the first restart; it doubles with each further one within the window."""
    backoff_max: float = 15.0
    drain_max: float = 30.0
    """The time for all processes to end after SIGTERM; a drain takes a few epochs. Shorter than
    service managers wait for this process."""
    silence_max: float = 120.0
    """The time without an epoch before all are restarted: twice the time after which the run counts
    as stuck, and much longer than it takes to load a state."""


@dataclass(frozen=True, slots=True)
class _End:
    """How the processes of one start ended: an exit code, and what happened."""

    code: int
    told: str = ""


_WELL: Final = _End(0)


@dataclass(slots=True)
class _Pulse:
    """Measures how long a value that changes with every epoch has been the same."""

    look: Callable[[], object]
    last: object = None
    since: float = field(default_factory=time.monotonic)
    looked_at: float = field(default_factory=time.monotonic)

    def silence(self) -> float:
        """Return the seconds since the last change, read at most every `PULSE_SECONDS`."""
        now = time.monotonic()
        if now - self.looked_at > PULSE_SECONDS:
            self.looked_at, seen = now, self.look()
            if seen != self.last:
                self.last, self.since = seen, now
        return now - self.since


class Supervisor:
    """Starts all processes, and restarts them if one dies or hangs, until the run is to end."""

    def __init__(
        self,
        start: Callable[[], Sequence[Process]],
        stopping: Stopping,
        *,
        tell: Callable[[str], None],
        pulse: Callable[[], object],
        limits: Limits | None = None,
    ) -> None:
        """`start` starts the processes; `tell` receives a message per restart.

        `pulse` returns a value that changes with every epoch.
        """
        self._start = start
        self._stopping = stopping
        self._tell = tell
        self._pulse = pulse
        self._limits = limits or Limits()
        self._restarts: deque[float] = deque()

    def run(self) -> int:
        """Run until all processes have ended, or one cannot be restarted; return the exit code."""
        while not self._stopping():
            end = self._run_once(self._start())
            if end.code in {0, BROKEN}:
                return end.code
            if self._stopping():
                self._tell(f"{end.told} instead of draining; nothing is lost")
                return FAILED
            if not self._may_restart():
                self._tell(self._gave_up(end.told))
                return FAILED
            self._wait(end.told)
        return 0

    def _run_once(self, processes: Sequence[Process]) -> _End:
        """Watch the processes until all have ended or one has failed, and kill the rest."""
        try:
            return self._watch(processes)
        finally:
            end_all(processes)

    def _watch(self, processes: Sequence[Process]) -> _End:
        deadline: float | None = None
        pulse = _Pulse(self._pulse)
        while True:
            if codes := [code for each in processes if (code := each.poll())]:
                return self._end(codes)
            if all(each.returncode == 0 for each in processes):
                return _WELL
            if deadline is None and self._stopping():
                deadline = time.monotonic() + self._limits.drain_max
                for each in processes:
                    each.terminate()
            if deadline is not None and time.monotonic() > deadline:
                return _End(FAILED, f"not every process ended within {self._limits.drain_max:g} s")
            if deadline is None and pulse.silence() > self._limits.silence_max:
                return _End(FAILED, f"no epoch came for {self._limits.silence_max:g} s")
            time.sleep(POLL_SECONDS)

    def _end(self, codes: Sequence[int]) -> _End:
        """Return the end for the exit codes of failed processes, possibly several at once."""
        if BROKEN in codes:
            # This process made its peers fail, and they may be noticed before it.
            return _End(BROKEN)
        if self._stopping() and -signal.SIGTERM in codes:
            # SIGTERM came before its handler was installed, so no process had started reading.
            return _WELL
        return _End(codes[0], f"a process ended with {codes[0]}")

    def _may_restart(self) -> bool:
        now = time.monotonic()
        while self._restarts and now - self._restarts[0] > self._limits.restart_window:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self._limits.restarts_max

    def _wait(self, told: str) -> None:
        number, limits = len(self._restarts), self._limits
        pause = min(limits.backoff_min * 2 ** (number - 1), limits.backoff_max)
        self._tell(
            f"{told}; all start again from the last commit in {pause:g} s "
            f"(restart {number} of {limits.restarts_max})"
        )
        until = time.monotonic() + pause
        while time.monotonic() < until and not self._stopping():
            time.sleep(POLL_SECONDS)

    def _gave_up(self, told: str) -> str:
        limits = self._limits
        return (
            f"{told}, after {limits.restarts_max} restarts within "
            f"{limits.restart_window:g} s; mend what it says above and start again"
        )


def end_all(processes: Sequence[Process]) -> None:
    """Kill the processes that still run and reap all; the state on disk stays consistent."""
    for each in processes:
        if each.poll() is None:
            each.kill()
    for each in processes:
        each.wait()
        if each.stdin is not None:
            with suppress(BrokenPipeError):  # it died before it had read all of its input
                each.stdin.close()
