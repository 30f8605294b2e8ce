"""What a continuous run says of itself on stderr: words on a terminal, else JSON lines.

One line per change of the whole, never per record, and never an identifier.
"""

import sys
from contextlib import suppress
from typing import Any, Final

import structlog

_STAMP: Final = structlog.processors.TimeStamper(fmt="iso", utc=True)


class _Stderr:
    """Stderr as it is when something is written: a status line on a terminal stands in for it.

    What it does not take is lost: a log on a full disk, or whose reader has gone, ends no run.
    """

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def set_up_logs(*, terminal: bool | None = None) -> None:
    """Choose how lines look; without `terminal`, by whether stderr is one."""
    words = sys.stderr.isatty() if terminal is None else terminal
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=words)
        if words
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, _STAMP, render],
        logger_factory=structlog.WriteLoggerFactory(file=_Stderr()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
