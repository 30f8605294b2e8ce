"""Starts the processes of one run; what each of them does is `flows.run.member`.

Members inherit the lock of the state directory, so that nobody else starts while one is left.
"""

import pickle
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from typing import Final

from flows.process.supervisor import Process
from flows.run.job import PreparedRun, ProcessSlot, RunOptions

MEMBER: Final = "flows.run.member"
"""The module that each process runs."""


def start_members(job: RunOptions, prepared: PreparedRun, lock: int) -> list[Process]:
    """Start all processes of a run; they find each other on loopback."""
    addresses = _free_addresses(job.processes)
    seats = [ProcessSlot(index, addresses) for index in range(job.processes)]
    return [_start(job, prepared, seat, lock) for seat in seats]


def _start(job: RunOptions, prepared: PreparedRun, seat: ProcessSlot, lock: int) -> Process:
    # A group of its own: an interrupt from the terminal is the supervisor's to pass on.
    member = subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", MEMBER],
        stdin=subprocess.PIPE,
        pass_fds=[lock],
        process_group=0,
    )
    assert member.stdin is not None
    with suppress(BrokenPipeError):  # it has died, as its exit code will tell
        pickle.dump((job, prepared, seat), member.stdin)
        member.stdin.flush()
    return member


def _free_addresses(count: int) -> tuple[str, ...]:
    """Find ports that nobody listens on now; one taken meanwhile costs a restart."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)
