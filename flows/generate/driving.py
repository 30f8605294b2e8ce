"""Sends a live log where the command says: opens the outlet, shows how it goes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flows.generate.drive import Driven, Pace, drive
from flows.generate.live import LiveStream
from flows.generate.outlets import Folder, Outlet, Topics
from flows.generate.sources import registry_documents
from flows.generate.spec import GenerateSpec
from flows.kafka.topics import cluster_of
from flows.settings.load import load_settings

KAFKA: Final = "kafka"
"""What names the topics of the settings, where else a folder is named."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What to send, where, how fast and for how long."""

    spec: GenerateSpec
    to: str
    rate: float
    seconds: float | None = None
    config: Path | None = None
    overrides: tuple[str, ...] = ()


def send(job: Drive, stopping: Callable[[], bool]) -> Driven:
    """Send until the time is over or it is asked to stop; tell what was sent.

    Raises SettingsError, ClusterError, PublishError, ValueError or OSError.
    """
    stream = LiveStream(job.spec, rate=job.rate)
    outlet = _outlet(job)
    outlet.register(registry_documents(job.spec))
    with _shown() as show:
        done = drive(
            stream,
            outlet,
            Pace(job.rate, job.seconds),
            stopping=stopping,
            on_progress=show,
        )
    outlet.close()
    return done


def _outlet(job: Drive) -> Outlet:
    if job.to != KAFKA:
        return Folder(Path(job.to), job.spec.files)
    kafka = load_settings(config=job.config, overrides=list(job.overrides)).settings.kafka
    names = kafka.topics
    topics = {
        "events": names.events,
        "impressions": names.impressions,
        "event_sources": names.event_sources,
    }
    return Topics(cluster_of(kafka), topics)


@contextmanager
def _shown() -> Iterator[Callable[[Driven], None]]:
    """Give what shows how it goes on a terminal, in one line."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with Live(console=console, refresh_per_second=2, transient=True) as live:
        yield lambda driven: live.update(Text(driven.line()))
