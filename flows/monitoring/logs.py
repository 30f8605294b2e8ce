"""What a continuous run says of itself on stderr: words on a terminal, else JSON lines.

One line per change of the whole, never per record, and never an identifier.
"""

import logging
import sys
import time
from contextlib import suppress
from typing import Any, Final

import structlog

_STAMP: Final = structlog.processors.TimeStamper(fmt="iso", utc=True)

SPARING_SECONDS: Final = 10.0
"""Between two lines of a kind that librdkafka says again and again."""

_LIBRARY: Final = "%s [%s] %s"
"""How its lines are put together: kind, client, and what happened."""


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


class _Forwarding(logging.Handler):
    """What the connectors and librdkafka say, as a line like all others."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger("tributary").log(record.levelno, record.getMessage())


class _Sparing(logging.Filter):
    """Lets each kind of librdkafka's lines through now and then, and all others always.

    While a broker is away, every client says so every second.
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
    forwarding = _Forwarding()
    forwarding.addFilter(_Sparing())
    logging.getLogger("tributary").handlers = [forwarding]
