"""Status of a continuous run: a line that is updated on a terminal, otherwise periodic log lines.

All values are metrics of this process, the one that writes the result. Those of the sink cover the
whole run; those of lanes and steps cover this process alone, and the status says so.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Event, Thread
from typing import Final

import structlog
from rich.console import Console
from rich.live import Live
from rich.text import Text

from connectors import metrics

LOG: Final = structlog.get_logger("tributary")

LINE_SECONDS: Final = 1.0
"""Seconds between two updates on a terminal."""

LOG_SECONDS: Final = 10.0
"""Seconds between two log lines without a terminal."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a run at one moment; values not yet known are None."""

    records_per_second: float
    lag_seconds: float | None
    in_flight: int
    state_rows: int
    state_bytes: int
    commit_age_seconds: float | None
    processes: int = 1

    def line(self) -> str:
        """Return the status in a line."""
        share = f" · records and state of 1 in {self.processes} processes"
        return (
            f"{self.records_per_second:,.0f} records/s · lag {_seconds(self.lag_seconds)} · "
            f"{self.in_flight:,} in flight · state {self.state_rows:,} rows, "
            f"{self.state_bytes / 1e6:,.1f} MB · last epoch {_seconds(self.commit_age_seconds)} ago"
            f"{share if self.processes > 1 else ''}"
        )


class Observer:
    """Reads the metrics; rates are measured since the previous reading."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, processes: int = 1) -> None:
        """Start counting records now."""
        self._processes = processes
        self._clock = clock
        self._at, self._records = clock(), metrics.total(metrics.RECORDS_READ)

    def look(self) -> Status:
        """Return the current status."""
        now, records = self._clock(), metrics.total(metrics.RECORDS_READ)
        rate = (records - self._records) / max(now - self._at, 1e-3)
        self._at, self._records = now, records
        lags = metrics.values(metrics.WATERMARK_LAG)
        age = metrics.commit_age()
        return Status(
            records_per_second=round(rate, 1),
            lag_seconds=round(max(lags), 3) if lags else None,
            in_flight=int(metrics.total(metrics.IN_FLIGHT)),
            state_rows=int(metrics.total(metrics.STATE_ROWS)),
            state_bytes=int(metrics.total(metrics.STATE_BYTES)),
            commit_age_seconds=None if age is None else round(age, 3),
            processes=self._processes,
        )


@contextmanager
def shown_status(
    *, terminal: bool | None = None, every: float | None = None, processes: int = 1
) -> Iterator[None]:
    """Show the status while the block runs, from a thread of its own.

    `terminal` defaults to whether stderr is one; `every` is the interval in seconds.
    """
    on_terminal = sys.stderr.isatty() if terminal is None else terminal
    stop = Event()
    show, seconds = (_in_place, LINE_SECONDS) if on_terminal else (_logged, LOG_SECONDS)
    thread = Thread(
        target=show, args=(stop, every or seconds, processes), name="status", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _in_place(stop: Event, every: float, processes: int) -> None:
    observer = Observer(processes=processes)
    console = Console(stderr=True, force_terminal=True)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not stop.wait(every):
            live.update(Text(observer.look().line()), refresh=True)


def _logged(stop: Event, every: float, processes: int) -> None:
    observer = Observer(processes=processes)
    while not stop.wait(every):
        LOG.info("running", **asdict(observer.look()))


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.1f} s"
