"""Logging of a continuous run to stderr: text on a terminal, otherwise JSON lines.

One line per change in the state of the run; never one per record, and never an identifier.
"""

import logging
import sys
import time
from contextlib import suppress
from typing import Any, Final

import structlog

_STAMP: Final = structlog.processors.TimeStamper(fmt="iso", utc=True)

SPARING_SECONDS: Final = 10.0
"""Seconds between two lines of one kind from librdkafka, which repeats itself."""

_LIBRARY: Final = "%s [%s] %s"
"""The format of librdkafka's lines: kind, client, and message."""


class _Stderr:
    """The current `sys.stderr` at each write: the status line of a terminal replaces it.

    Failed writes are dropped: a full disk, or a reader that has gone, must not end the run.
    """

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


class _Forwarding(logging.Handler):
    """Passes log records of the connectors and librdkafka on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger("tributary").log(record.levelno, record.getMessage())


class _Sparing(logging.Filter):
    """Limits the rate of each kind of librdkafka's lines; passes all others.

    While a broker is down, every client reports it every second.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg != _LIBRARY or not isinstance(record.args, tuple):
            return True
        kind, now = str(record.args[0]), time.monotonic()
        is_due = now - self._said.get(kind, float("-inf")) >= SPARING_SECONDS
        if is_due:
            self._said[kind] = now
        return is_due


def set_up_logs(*, terminal: bool | None = None) -> None:
    """Configure logging; `terminal` defaults to whether stderr is one."""
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
    forwarding = _Forwarding()
    forwarding.addFilter(_Sparing())
    logging.getLogger("tributary").handlers = [forwarding]
