"""What a continuous run is told, and what a start goes on with: values only.

They travel from a supervisor to the processes of a run.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from attribution.registry import Registry
from connectors.state import Facts
from flows.settings import Loaded


@dataclass(frozen=True, slots=True)
class Run:
    """What to run, and how."""

    folder: Path
    state: Path
    database: Path
    settings: Loaded
    allow_unregistered: bool = False
    workers: int = 1
    processes: int = 1
    metrics_port: int | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of a process among those of a run; without addresses it is the only one."""

    index: int = 0
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a start goes on with: the state as it was made, and the registry as of now."""

    facts: Facts
    registry: Registry


def clock() -> int:
    """Give the time, in microseconds since 1970."""
    return time.time_ns() // 1_000
