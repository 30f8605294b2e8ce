"""How a continuous run ends: its exit codes, and the signals that ask for it.

SIGTERM or SIGINT sets a flag. Lanes that see it read no further; the engine then finishes its
epoch, everything read is committed, and the process exits with 0. The next start goes on there.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

FAILED: Final = 1
"""The exit code when something went wrong that a new start may mend."""

BROKEN: Final = 4
"""The exit code when an operator has to mend something; starting again would not help."""

AT_ONCE: Final = 130
"""The exit code after a second SIGINT: what a shell gives to a process that SIGINT has ended."""

SHOW_CURSOR: Final = b"\r\x1b[2K\x1b[?25h"
"""To a terminal: forget the line that was being shown, and show the cursor again."""


def restore_terminal() -> None:
    """Undo what a status line that was cut short has done to the screen."""
    if sys.stderr.isatty():
        # Not through the buffer: a signal may have come in the middle of a write.
        os.write(sys.stderr.fileno(), SHOW_CURSOR)


class Stopping:
    """Whether the run was asked to end; call it to know."""

    def __init__(self) -> None:
        """Start as not asked."""
        self._is_asked = False

    def __call__(self) -> bool:
        """Return whether the run was asked to end."""
        return self._is_asked

    def ask(self) -> None:
        """Ask the run to end."""
        self._is_asked = True

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal: the first asks, and a SIGINT after it will not wait for the answer."""
        if self._is_asked and number == signal.SIGINT:
            self.end_at_once()
        self.ask()

    def end_at_once(self) -> None:
        """Leave without draining: the state on disk is safe at any moment."""
        restore_terminal()
        os._exit(AT_ONCE)


@contextmanager
def asked_by_signals(stopping: Stopping) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask; only the main thread may, as with all signals."""
    before = {number: signal.signal(number, stopping.on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
