"""The time from the restart of a killed run with a large state to its first commit.

The state is a real one. The job reads a long log once, with windows so long that nothing expires,
and is killed; log, state and result are cached, and every restart begins with a copy of them.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness.live_jobs import live_job, run_command
from benchmarks.harness.logs import ROOT
from benchmarks.keeping import EPOCH, lines_of
from connectors.preflight.resume import KEYED_STEPS
from connectors.state.directory import StateDir
from connectors.state.facts import FORMAT
from connectors.state.manifests import StepState

LASTING: Final = (
    "policy.post_view=3650d",
    "policy.post_click=3650d",
    "policy.dedup_window=3650d",
    EPOCH,
)
"""Settings that keep the whole log in state, although it is old."""

MORE_EVENTS: Final = 2_000
"""Events appended before the restart, so that there is something to commit."""

_EPOCHS: Final = "tributary_epoch_duration_seconds_count"

BUILD_SECONDS_MAX: Final = 3600
RESTART_SECONDS_MAX: Final = 600


@dataclass(frozen=True, slots=True)
class State:
    """The files of a killed run, and the size of its state."""

    folder: Path
    match_rows: int
    rows: int
    megabytes: int
    wal_megabytes: int


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds from the start of the process to the first commit, and the size of the state."""

    seconds: float
    cpu: float
    rows: int
    resident_mb: float


def killed_state(cache: Path, log: Path) -> State:
    """Return the state of a run that was killed after it had read a log; create it if missing."""
    folder = cache.resolve() / f"state-{FORMAT}-of-{log.name}"  # another format is refused
    if not folder.exists():
        for stale in cache.glob("state-*"):
            shutil.rmtree(stale)
        _build(folder, log)
    rows = {step: _rows(StateDir(folder / "state"), step) for step in KEYED_STEPS}
    return State(
        folder,
        rows["match"],
        sum(rows.values()),
        _megabytes(folder / "state"),
        _megabytes(folder / "result.duckdb.wal"),
    )


def restart(state: State, folder: Path) -> Restart:
    """Restart a copy of the job with new events in its log; end it after the first commit."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(state.folder, folder, copy_function=_linked)
    _append_events(folder / "data")
    started = time.monotonic()
    command = run_command(folder / "data", folder, *LASTING)
    with live_job(command, folder / "job.log") as job:
        metrics = job.wait_until(
            lambda metrics: metrics["tributary_commit_duration_seconds_count"] > 0,
            RESTART_SECONDS_MAX,
        )
        seconds = time.monotonic() - started
        rows = int(metrics["tributary_state_rows"])
        return Restart(seconds, job.cpu_seconds(), rows, job.resident_mb())


def _build(folder: Path, log: Path) -> None:
    """Let a run read a log, and kill it."""
    unfinished = folder.with_name("state-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    data = unfinished / "data"
    data.mkdir(parents=True)
    for path in [*log.glob("*.ndjson"), log / "event_sources.json"]:
        os.link(path, data / path.name)
    print(f"reading {lines_of(data):,} documents into a state ...", flush=True)
    lines = lines_of(data)
    command = run_command(data, unfinished, *LASTING)
    with live_job(command, unfinished / "job.log") as job:
        job.wait_until(
            lambda metrics: metrics["tributary_records_read_total"] >= lines, BUILD_SECONDS_MAX
        )
        epochs = job.metrics()[_EPOCHS]
        job.wait_until(lambda metrics: metrics[_EPOCHS] > epochs + 1, BUILD_SECONDS_MAX)
    unfinished.rename(folder)


def _linked(source: str, target: str) -> None:
    """Hard-link files that are never written again; copy others."""
    if source.endswith((".seg", ".ndjson")):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def _append_events(data: Path) -> None:
    """Add a file with events of another seed."""
    more = data / "more"
    words = ["generate", "log", str(more), "--seed", "2", "--impressions", "0"]
    subprocess.run(
        [sys.executable, "-m", "flows", *words, "--events", str(MORE_EVENTS)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (more / "events-00.ndjson").rename(data / "events-more.ndjson")
    shutil.rmtree(more)


def _rows(state: StateDir, step: str) -> int:
    """Return the number of rows that a step would resume with."""
    groups = state.recovery.snapshots(step, StepState).values()
    return sum(part.rows for group in groups for part in group.manifest.parts)


def _megabytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return round(sum(each.stat().st_size for each in files if each.is_file()) / 1e6)
