"""Sends live records at a steady rate to topics of a cluster or to files of a folder."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from connectors.wording import counted
from flows.generate.live import LiveStream
from flows.generate.outlets import Folder, Outlet, Topics
from flows.generate.spec import GenerateSpec
from flows.generate.write import registry_documents
from flows.kafka.topics import cluster_of
from flows.settings.kafka import KafkaSettings

TICK_SECONDS: Final = 0.05
"""Seconds between sends: generating one record costs as much as a hundred, some milliseconds."""

CATCH_UP_SECONDS_MAX: Final = 1.0
"""Seconds of backlog that are sent after a stall; more than that is skipped and lowers the rate."""


@dataclass(frozen=True, slots=True)
class Driven:
    """What was sent: seconds, records (events and impressions), and documents by stream."""

    seconds: float
    records: int
    documents: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / self.seconds if self.seconds else 0.0

    def line(self) -> str:
        """Return the figures in a line."""
        documents = ", ".join(
            f"{count:,} of {stream}" for stream, count in sorted(self.documents.items())
        )
        return (
            f"{counted(self.records, 'record')} in {self.seconds:.1f} s, "
            f"{self.rate:,.0f} per second; "
            f"documents: {documents or 'none'}"
        )


class Pace:
    """Computes how many records are due, starting now."""

    def __init__(self, rate: float, seconds: float | None = None) -> None:
        """Make `rate` records due per second, for `seconds` or without end."""
        self._rate = rate
        self._started = self._at = time.monotonic()
        self._end = None if seconds is None else self._started + seconds
        self._owed = 0.0

    def goes_on(self) -> bool:
        """Return whether more records will become due."""
        return self._end is None or self._at < self._end

    def due(self) -> int:
        """Return the number of records that became due since the last call."""
        now = time.monotonic() if self._end is None else min(time.monotonic(), self._end)
        passed, self._at = min(now - self._at, CATCH_UP_SECONDS_MAX), now
        self._owed += passed * self._rate
        count = int(self._owed)
        self._owed -= count
        return count

    def wait(self) -> None:
        """Sleep until the next tick."""
        time.sleep(max(0.0, self._at + TICK_SECONDS - time.monotonic()))

    def seconds(self) -> float:
        """Return the seconds since the start."""
        return self._at - self._started


def drive(
    stream: LiveStream,
    outlet: Outlet,
    pace: Pace,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Driven], None] = lambda _: None,
) -> Driven:
    """Send records as they become due, until the end or `stopping`; return what was sent.

    `on_progress` is called after each send.
    """
    records, documents = 0, Counter[str]()
    while not stopping() and pace.goes_on():
        made = stream.take(pace.due(), time.time_ns() // 1_000_000)
        outlet.send(made)
        documents.update(each.stream for each in made)
        records += sum(each.events or 1 for each in made)
        on_progress(Driven(pace.seconds(), records, documents))
        pace.wait()
    return Driven(pace.seconds(), records, documents)


KAFKA: Final = "kafka"
"""The target that means the topics of the settings; any other target is a folder."""


def send(  # noqa: PLR0913
    spec: GenerateSpec,
    to: str,
    kafka: KafkaSettings,
    *,
    rate: float,
    seconds: float | None,
    stopping: Callable[[], bool],
) -> Driven:
    """Send to a folder or to topics, until the time is over or `stopping`; return what was sent.

    Raises SpecError, ClusterError, PublishError or OSError.
    """
    stream = LiveStream(spec, rate=rate)
    outlet = _topics(kafka) if to == KAFKA else Folder(Path(to), spec.files)
    outlet.register(registry_documents(spec))
    with _shown() as show:
        done = drive(stream, outlet, Pace(rate, seconds), stopping=stopping, on_progress=show)
    outlet.close()
    return done


def _topics(kafka: KafkaSettings) -> Topics:
    names = ("events", "impressions", "event_sources")
    return Topics(cluster_of(kafka), {name: getattr(kafka.topics, name) for name in names})


@contextmanager
def _shown() -> Iterator[Callable[[Driven], None]]:
    """Yield a function that shows the progress in one line on a terminal."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield lambda driven: live.update(Text(driven.line()))
