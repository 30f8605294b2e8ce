"""Real processes under the supervisor: tiny ones, which live and die as told."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.state.directory import StateDir
from flows.process.stopping import Stopping
from flows.process.supervisor import Limits, Process, Supervisor, end_all
from flows.run import members

LIMITS = Limits(restarts_max=2, backoff_min=0.01, drain_max=1.0)
OBEYS = "import signal, sys\nsignal.signal(15, lambda *_: sys.exit(0))\n"
DEAF = "import signal\nsignal.signal(15, signal.SIG_IGN)\n"
READY = "print(flush=True)\n"
WAITS = READY + "while True: signal.pause()\n"
PLAIN = "import signal\n" + WAITS


def process(program: str) -> Process:
    started = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert started.stdout is not None
    if READY in program:
        started.stdout.readline()  # its handlers are set
    started.stdout.close()
    return started


class Run:
    """A supervisor over programs: those of each start, the last ones for all further starts."""

    def __init__(
        self,
        *starts: Sequence[str],
        limits: Limits = LIMITS,
        pulse: Callable[[], object] = object,  # another each time
    ) -> None:
        self.stopping = Stopping()
        self.told: list[str] = []
        self.started: list[list[Process]] = []
        self._starts = starts
        self._supervisor = Supervisor(
            self._start, self.stopping, tell=self.told.append, pulse=pulse, limits=limits
        )

    def _start(self) -> list[Process]:
        programs = self._starts[min(len(self.started), len(self._starts) - 1)]
        self.started.append([process(program) for program in programs])
        return self.started[-1]

    def code(self, meanwhile: Callable[["Run"], None] | None = None) -> int:
        if meanwhile is not None:
            threading.Thread(target=meanwhile, args=[self], daemon=True).start()
        code = self._supervisor.run()
        assert all(each.returncode is not None for start in self.started for each in start)
        return code


def wait_for_start(run: Run, number: int) -> list[Process]:
    while len(run.started) < number:
        time.sleep(0.01)
    return run.started[number - 1]


def test_all_end_well() -> None:
    run = Run(["", ""])
    assert (run.code(), run.told, len(run.started)) == (0, [], 1)


def test_asked_to_stop_all_are_asked() -> None:
    def ask(run: Run) -> None:
        wait_for_start(run, 1)
        run.stopping.ask()

    run = Run([OBEYS + WAITS, OBEYS + WAITS])
    assert (run.code(ask), run.told) == (0, [])


def test_one_that_dies_takes_the_others_and_all_start_again() -> None:
    def kill_then_ask(run: Run) -> None:
        os.kill(wait_for_start(run, 1)[1].pid, signal.SIGKILL)
        wait_for_start(run, 2)
        run.stopping.ask()

    run = Run([OBEYS + WAITS, OBEYS + WAITS])
    assert run.code(kill_then_ask) == 0
    again = "a process ended with -9; all start again from the last commit in 0.01 s"
    assert run.told == [f"{again} (restart 1 of 2)"]
    assert [each.returncode for each in run.started[0]] == [-9, -9]


def test_what_does_not_stay_alive_is_given_up() -> None:
    run = Run(["raise SystemExit(3)", OBEYS + WAITS])
    assert (run.code(), len(run.started)) == (1, 3)
    assert len(run.told) == 3
    assert run.told[-1].startswith("a process ended with 3, after 2 restarts within 600 s;")


def test_without_an_epoch_all_start_again() -> None:
    limits = replace(LIMITS, silence_max=1.0)
    run = Run([PLAIN, PLAIN], ["", ""], limits=limits, pulse=lambda: "the same")
    assert run.code() == 0
    assert len(run.started) == 2
    assert run.told == [
        "no epoch came for 1 s; all start again from the last commit in 0.01 s (restart 1 of 2)"
    ]


@pytest.mark.long
def test_to_wait_for_a_cluster_is_no_silence(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.recovery.folder.mkdir()
    waits = (
        "import time\nfrom pathlib import Path\nfrom connectors.state.directory import StateDir\n"
        "from flows.run.kafka_inputs import until_asked\n"
        f"waits = until_asked(lambda: False, StateDir(Path({str(tmp_path)!r})).note_waiting)\n"
        "end = time.monotonic() + 3\n"
        "while time.monotonic() < end: waits(1000.0); time.sleep(0.1)\n"
    )
    limits = replace(LIMITS, silence_max=2.0)
    run = Run([waits], limits=limits, pulse=state.pulse)
    assert (run.code(), run.told, len(run.started)) == (0, [], 1)


def test_a_member_that_dies_before_it_is_told_what_to_do_is_a_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "MEMBER", "tests.no_such_module")
    large: Any = b" " * (16 << 20)  # more than any pipe holds
    with (tmp_path / "lock").open("wb") as lock:
        job: Any = SimpleNamespace(processes=2)
        started = members.start_members(job, large, lock.fileno())
        end_all(started)
    assert [each.returncode for each in started] == [1, 1]


def test_leave_is_taken_of_one_that_died_with_words_on_their_way() -> None:
    died = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    died.wait()
    assert died.stdin is not None
    died.stdin.write(b"too late")
    end_all([died])
    assert died.stdin.closed


def test_one_that_was_asked_before_it_could_listen_has_ended_well() -> None:
    def ask(run: Run) -> None:
        wait_for_start(run, 1)
        run.stopping.ask()

    run = Run([PLAIN, PLAIN])
    assert (run.code(ask), run.told) == (0, [])


def test_asked_to_stop_before_a_restart_there_is_none() -> None:
    def ask(run: Run) -> None:
        while not run.told:
            time.sleep(0.01)
        run.stopping.ask()

    run = Run(["raise SystemExit(7)"], limits=replace(LIMITS, backoff_min=2.0))
    assert (run.code(ask), len(run.started)) == (0, 1)


def test_restarts_of_long_ago_do_not_count() -> None:
    limits = Limits(restarts_max=1, restart_window=0.0, backoff_min=0.01)
    run = Run(["raise SystemExit(3)"], ["raise SystemExit(3)"], [""], limits=limits)
    assert (run.code(), len(run.started)) == (0, 3)


@pytest.mark.parametrize("peer", ["raise SystemExit(1)", OBEYS + WAITS])
def test_what_needs_an_operator_is_final(peer: str) -> None:
    run = Run([peer, "raise SystemExit(4)"])
    if peer.startswith("raise"):  # dies of the other's death, and may be noticed first
        run = Run(["import time; time.sleep(0.2); " + peer, "raise SystemExit(4)"])
    assert (run.code(), len(run.started)) == (4, 1)


def test_one_that_does_not_drain_is_ended() -> None:
    def ask(run: Run) -> None:
        wait_for_start(run, 1)
        run.stopping.ask()

    run = Run([DEAF + WAITS, OBEYS + WAITS])
    assert (run.code(ask), len(run.started)) == (1, 1)
    assert run.told == ["not every process ended within 1 s instead of draining; nothing is lost"]


def test_a_second_interrupt_does_not_wait() -> None:
    program = (
        "import os, signal, time\n"
        "from flows.process.stopping import Stopping, asked_by_signals\n"
        "stopping = Stopping()\n"
        "with asked_by_signals(stopping):\n"
        "    print('ready', flush=True)\n"
        "    while not stopping(): time.sleep(0.01)\n"
        "    print('asked', flush=True)\n"
        "    while True: time.sleep(0.01)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as asked:
        assert asked.stdout is not None
        for word in ("ready\n", "asked\n"):
            assert asked.stdout.readline() == word
            asked.send_signal(signal.SIGINT)
        assert asked.wait(5) == 130
