"""Starts the processes of one run, each as `flows.run.member`.

Members inherit the lock of the state directory, so no other run can start while one is left.
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
    # A process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone.
    member = subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-m", MEMBER],
        stdin=subprocess.PIPE,
        pass_fds=[lock],
        process_group=0,
    )
    assert member.stdin is not None
    with suppress(BrokenPipeError):  # it has died, which its exit code shows
        pickle.dump((job, prepared, seat), member.stdin)
        member.stdin.flush()
    return member


def _free_addresses(count: int) -> tuple[str, ...]:
    """Return loopback addresses with ports free now; if one is taken by then, all restart."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)
