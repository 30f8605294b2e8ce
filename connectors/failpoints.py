"""Places where a test may end the process, as a power cut would: `TRIBUTARY_FAILPOINT=name:count`.

The process kills itself when it reaches the named place for the `count`-th time. Without the
variable a place costs one comparison.
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
    "publish.after_flush",
    "dead_letters.after_flush",
)
"""Every place there is."""


def _armed() -> tuple[str, int]:
    name, _, count = os.environ.get(VARIABLE, "").partition(":")
    assert not name or name in NAMES, f"{VARIABLE} names no place: {name}"
    return name, int(count or 1)


_name, _left = _armed()


def reach(name: str) -> None:
    """Die here when it is this place's turn."""
    global _left  # noqa: PLW0603  the countdown is the process's
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
