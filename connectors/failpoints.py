"""Failpoints, at which a test may kill the process: `TRIBUTARY_FAILPOINT=name:count`.

The process kills itself when it reaches the named failpoint for the `count`-th time. Without the
variable, a failpoint costs one comparison.
"""

import os
import signal
from typing import Final

VARIABLE: Final = "TRIBUTARY_FAILPOINT"

NAMES: Final = (
    "source.snapshot",
    "step.snapshot",
    "segment.before_sync",
    "segment.after_sync",
    "sink.before_commit",
    "sink.after_commit",
    "sink.before_checkpoint",
    "copy.before_rename",
    "copy.before_link",
    "publish.after_flush",
    "dead_letters.after_flush",
    "claim.before_append",
    "claim.after_append",
)
"""The names of all failpoints."""


def _armed() -> tuple[str, int]:
    name, _, count = os.environ.get(VARIABLE, "").partition(":")
    assert not name or name in NAMES, f"{VARIABLE} names no place: {name}"
    return name, int(count or 1)


_name, _left = _armed()


def reach(name: str) -> None:
    """Kill the process if this failpoint is armed and its count is reached."""
    global _left  # noqa: PLW0603  the countdown is the process's
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
