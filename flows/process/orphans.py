"""Ends a process whose supervisor is gone, so that nothing holds its port or its state.

A supervisor that is killed cannot end what it started.
"""

import os
import signal
import time
from threading import Thread
from typing import Final

SUPERVISOR: Final = "TRIBUTARY_SUPERVISOR"
"""The environment variable with the process id of the supervisor."""

LOOK_SECONDS: Final = 1.0
"""Between two looks whether the supervisor lives."""


def end_with_supervisor() -> None:
    """Ask this process to end, as a signal does, once its supervisor is gone; if it has one."""
    named = os.environ.pop(SUPERVISOR, "")
    if named.isdecimal():
        Thread(target=_watch, args=(int(named),), name="supervisor", daemon=True).start()


def _watch(supervisor: int) -> None:
    # The kernel gives an orphan to another parent.
    while os.getppid() == supervisor:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
