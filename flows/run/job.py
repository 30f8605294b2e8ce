"""The options of a continuous run, and what a start has prepared: plain values.

A supervisor sends them, pickled, to the processes of a run.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attribution.registry import Registry
from connectors.database.published_copies import Publication
from connectors.state.facts import StateFacts
from flows.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run, and how.

    Without a `folder` the topics of the settings are read. Event sources come from a topic too,
    unless `sources` names a file or unregistered sources are allowed. Copies of the result are
    published if `publication` says where.
    """

    folder: Path | None
    state: Path
    database: Path
    settings: Loaded
    allow_unregistered: bool = False
    workers: int = 1
    processes: int = 1
    metrics_port: int | None = None
    sources: Path | None = None
    publication: Publication | None = None


@dataclass(frozen=True, slots=True)
class ProcessSlot:
    """The number of a process in a run and the addresses of all; none if it is the only one."""

    index: int = 0
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """What a start has prepared: the facts of the state, and the registry as of now.

    `inputs` is what the result records about the input.
    """

    facts: StateFacts
    registry: Registry
    inputs: Mapping[str, Any] = field(default_factory=dict)


def clock() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1_000
