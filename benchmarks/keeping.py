"""The cost of persistent state: the same backlog through a run with and without recovery.

Measured is the CPU time from the start of the engine, when the job begins to serve metrics, to the
end of the job. Importing and opening files costs the same in both.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.harness.live_jobs import RUN, live_job, run_command
from benchmarks.harness.processes import Cost, median_cost

EPOCH: Final = "flow.epoch_interval=1s"
BACKLOG_SECONDS_MAX: Final = 900
UNKEPT: Final = (sys.executable, "-m", "benchmarks.unkept")


def lines_of(data: Path) -> int:
    """Count the documents of a log."""
    files = [*data.glob("events*.ndjson"), *data.glob("impressions*.ndjson")]
    return sum(path.read_bytes().count(b"\n") for path in files)


def compare_costs(data: Path, folder: Path, *, runs: int) -> tuple[Cost, Cost]:
    """Run both alternately, so that a slow phase of the machine affects both; return medians."""
    kept: list[Cost] = []
    unkept: list[Cost] = []
    for _ in range(runs):
        kept.append(cost_of_backlog(RUN, data, folder))
        unkept.append(cost_of_backlog(UNKEPT, data, folder))
        _tell(kept[-1], unkept[-1])
    return median_cost(kept), median_cost(unkept)


def _tell(kept: Cost, unkept: Cost) -> None:
    print(
        f"  with recovery {kept.cpu:.2f} s CPU, {kept.wall:.2f} s; "
        f"without {unkept.cpu:.2f} s CPU, {unkept.wall:.2f} s",
        flush=True,
    )


def cost_of_backlog(program: Sequence[str], data: Path, folder: Path) -> Cost:
    """Run a program over a log until everything is read and committed; return its cost."""
    lines = lines_of(data)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [*program, *run_command(data, folder, EPOCH)[len(RUN) :]]
    with live_job(command, folder / "job.log") as job:
        job.wait_until(lambda _: True, BACKLOG_SECONDS_MAX)
        before, started = job.cpu_seconds(), time.monotonic()
        job.wait_until(
            lambda metrics: metrics["tributary_records_read_total"] >= lines, BACKLOG_SECONDS_MAX
        )
        resident = job.resident_mb()
        cpu = job.drain() - before
    return Cost(cpu, time.monotonic() - started, resident)
