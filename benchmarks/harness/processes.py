"""The cost of a whole process: CPU and wall seconds including start-up, and peak memory."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.harness.logs import ROOT

_KILOBYTES_PER_MB: Final = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one process and its waited-for children: seconds, and MB of resident memory."""

    cpu: float
    wall: float
    peak_mb: float
    said: str = ""


def cost_of(command: Sequence[str]) -> Cost:
    """Run a command to its end and measure it; exit with its error output if it fails."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}; see above")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / _KILOBYTES_PER_MB, said)


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(
        median(cost.cpu for cost in costs),
        median(cost.wall for cost in costs),
        median(cost.peak_mb for cost in costs),
    )


def cost_of_replay(folder: Path, database: Path) -> Cost:
    """Replay a log with `tributary replay` into a new database."""
    command = [sys.executable, "-m", "flows", "replay", str(folder), "--db", str(database)]
    return cost_of_new(database, [*command, "--quiet"])


def cost_of_new(database: Path, command: Sequence[str]) -> Cost:
    """Measure a command that creates a database, after deleting an old one."""
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
    return cost_of(command)
