"""How a continuous run ends: its exit codes and signals.

SIGTERM or SIGINT sets a flag. Lanes then stop reading, the engine finishes its epoch, everything
read is committed, and the process exits with 0. The next start resumes there.
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
"""The exit code after a failure that a restart may fix."""

BROKEN: Final = 4
"""The exit code when an operator has to fix something; a restart would not help."""

AT_ONCE: Final = 130
"""The exit code after a second SIGINT: the one a shell reports for a process ended by SIGINT."""

SHOW_CURSOR: Final = b"\r\x1b[2K\x1b[?25h"
"""Terminal codes: erase the current line and show the cursor again."""


def restore_terminal() -> None:
    """Erase an unfinished status line and show the cursor again."""
    if sys.stderr.isatty():
        # Not through the buffer: the signal may have interrupted a write.
        os.write(sys.stderr.fileno(), SHOW_CURSOR)


class Stopping:
    """A flag that ends the run once set; call it to read it."""

    def __init__(self) -> None:
        """Start unset."""
        self._is_asked = False

    def __call__(self) -> bool:
        """Return whether the run is to end."""
        return self._is_asked

    def ask(self) -> None:
        """Set the flag."""
        self._is_asked = True

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal: the first sets the flag, and a SIGINT after it ends the process."""
        if self._is_asked and number == signal.SIGINT:
            self.end_at_once()
        self.ask()

    def end_at_once(self) -> None:
        """Exit without draining: the state on disk is consistent at any moment."""
        restore_terminal()
        os._exit(AT_ONCE)


@contextmanager
def asked_by_signals(stopping: Stopping) -> Iterator[None]:
    """Handle SIGTERM and SIGINT while the block runs; main thread only, as with all signals."""
    before = {number: signal.signal(number, stopping.on_signal) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
