"""What a continuous run is told, and what a start goes on with: values only.

They travel from a supervisor to the processes of a run.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attribution.registry import Registry
from connectors.state.facts import StateFacts
from flows.settings.load import Loaded


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run, and how.

    Without a `folder` it reads the topics of its settings. Event sources come from a topic too,
    unless `sources` names a file or all are let in.
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


@dataclass(frozen=True, slots=True)
class ProcessSlot:
    """The place of a process among those of a run; without addresses it is the only one."""

    index: int = 0
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """What a start goes on with: the state as it was made, and the registry as of now.

    `inputs` is what its result remembers of what it reads.
    """

    facts: StateFacts
    registry: Registry
    inputs: Mapping[str, Any] = field(default_factory=dict)


def clock() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1_000
