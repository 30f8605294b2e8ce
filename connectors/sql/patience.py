"""Tries again what fails while a job starts, ends, or starts again; within bounds."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from connectors.sql.errors import LockedError, LostJobError

FOLLOW_SECONDS: Final = 10.0
"""How long to look for a job that has answered before; to start again takes it some seconds."""

START_SECONDS: Final = 0.5
"""How long to look for a job that has the file open but has not announced itself yet."""

AGAIN_SECONDS: Final = 0.05

Answer = TypeVar("Answer")


def patiently(attempt: Callable[[], Answer], seconds: float) -> Answer:
    """Return the answer of an attempt; raises the last LostJobError or LockedError."""
    until = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (LostJobError, LockedError):
            if time.monotonic() > until:
                raise
        time.sleep(AGAIN_SECONDS)
