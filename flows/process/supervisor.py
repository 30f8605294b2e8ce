"""Several processes as one: all run, or all are ended and started again together.

The engine cannot take a single process back into a running cluster, so one that dies takes the
others with it; so does one that hangs, for no epoch ends without it. Nothing is lost by that: they
all go on from the last committed epoch. Here is only when to start, end and give up; what the
processes do is the caller's.
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
"""Between looks at the processes; a restart takes far longer than that."""

PULSE_SECONDS: Final = 0.5
"""Between looks at what changes with every epoch."""


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
    drain_max: float = 30.0
    """For all processes to end after they were asked; a drain takes a few epochs. Shorter than what
    ends this process waits for it."""
    silence_max: float = 120.0
    """Without an epoch, from the start or from the last one, before all start again: twice the time
    after which the run counts as stuck, and much longer than it takes to load a state."""


@dataclass(frozen=True, slots=True)
class _End:
    """How the processes of one start came to their end: an exit code, and what happened."""

    code: int
    told: str = ""


_WELL: Final = _End(0)


@dataclass(slots=True)
class _Pulse:
    """Tells for how long something that changes with every epoch has been the same."""

    look: Callable[[], object]
    last: object = None
    since: float = field(default_factory=time.monotonic)
    looked_at: float = field(default_factory=time.monotonic)

    def silence(self) -> float:
        """Look now and then; give seconds."""
        now = time.monotonic()
        if now - self.looked_at > PULSE_SECONDS:
            self.looked_at, seen = now, self.look()
            if seen != self.last:
                self.last, self.since = seen, now
        return now - self.since


class Supervisor:
    """Starts all processes, and starts them again when one dies or hangs, until asked to stop."""

    def __init__(
        self,
        start: Callable[[], Sequence[Process]],
        stopping: Stopping,
        *,
        tell: Callable[[str], None],
        pulse: Callable[[], object],
        limits: Limits | None = None,
    ) -> None:
        """Take what starts the processes; `tell` is given a sentence per restart.

        `pulse` gives something that is not the same after an epoch.
        """
        self._start = start
        self._stopping = stopping
        self._tell = tell
        self._pulse = pulse
        self._limits = limits or Limits()
        self._restarts: deque[float] = deque()

    def run(self) -> int:
        """Run until all processes have ended well, or for good; give the exit code."""
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
        """Watch the processes until all have ended, or one badly; then none is left."""
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
        """Judge by the codes of those that have died, of which there may be several at once."""
        if BROKEN in codes:
            # One that ended for good took its peers with it, and may be noticed after them.
            return _End(BROKEN)
        if self._stopping() and -signal.SIGTERM in codes:
            # It was asked before it could listen, and without it the others had not begun.
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
    """End what still runs, at once, and take leave of all: the state on disk is safe."""
    for each in processes:
        if each.poll() is None:
            each.kill()
    for each in processes:
        each.wait()
        if each.stdin is not None:
            with suppress(BrokenPipeError):  # it died before it had read all that it was told
                each.stdin.close()
