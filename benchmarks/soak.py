"""A run at a steady rate for minutes: `python -m benchmarks.soak`; the last line is JSON.

Windows are short, so that state expires as fast as it arrives and every bounded series is level
within a minute. Memory, state and files are sampled every second; the verdict is based on the
second half. The result file grows, because results are kept.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from benchmarks.harness.feeds import Files
from benchmarks.harness.live_jobs import LiveJob, live_job, run_command
from benchmarks.harness.logs import CACHE, ROOT
from benchmarks.harness.soak_picture import draw
from benchmarks.harness.soak_series import SERIES, Curves, Sample, Verdict, verdicts

SHORT: Final = (
    "policy.post_click=30s",
    "policy.post_view=20s",
    "policy.probabilistic_window=10s",
    "policy.settle_delay=5s",
    "policy.max_event_delay=10s",
    "policy.dedup_window=20s",
)
"""With these, state has nothing left of a record after 45 s."""

LOOK_SECONDS: Final = 1.0
START_SECONDS_MAX: Final = 60
PICTURE: Final = ROOT / "docs" / "soak.svg"


def soak(folder: Path, *, rate: int, seconds: int) -> Curves:
    """Run a job at a rate for `seconds`; return the samples."""
    feed = Files(folder)
    _generate(feed, rate=20, seconds=1).wait()
    command = run_command(folder / "log", folder, *SHORT)
    with live_job(command, folder / "job.log") as job:
        job.wait_until(
            lambda metrics: metrics["tributary_records_read_total"] > 0, START_SECONDS_MAX
        )
        sender = _generate(feed, rate=rate, seconds=seconds)
        try:
            curves = _looks(job, folder, sender)
        finally:
            sender.kill()
            sender.wait()
        job.drain()
    return curves


def _generate(feed: Files, *, rate: int, seconds: int) -> "subprocess.Popen[bytes]":
    words = ["generate", "live", *feed.sent(), "--rate", str(rate), "--seconds", str(seconds)]
    return subprocess.Popen(
        [sys.executable, "-m", "flows", *words], cwd=ROOT, stdout=subprocess.DEVNULL
    )


def _looks(job: LiveJob, folder: Path, sender: "subprocess.Popen[bytes]") -> Curves:
    """Sample a job until the sender ends."""
    started = time.monotonic()
    samples: list[Sample] = []
    while sender.poll() is None:
        at = time.monotonic() - started
        samples.append(_look(job, folder, at))
        if len(samples) % 30 == 0:
            print(f"{at:5.0f} s  {_told(samples[-1])}", flush=True)
        time.sleep(max(0.0, started + len(samples) * LOOK_SECONDS - time.monotonic()))
    return Curves(samples)


def _look(job: LiveJob, folder: Path, at: float) -> Sample:
    metrics = job.metrics()
    blocks = metrics["tributary_result_memory_bytes"] / 1e6
    state = folder / "state"
    return {
        "at": at,
        "read": metrics["tributary_records_read_total"],
        "memory": job.resident_mb() - blocks,
        "blocks": blocks,
        "rows": metrics["tributary_state_rows"] / 1e3,
        "state": metrics["tributary_state_bytes"] / 1e6,
        "segments": _megabytes(state / "segments"),
        "store": _megabytes(state / "recovery"),
        "wal": _megabytes(folder, "result.duckdb.wal"),
        "result": _megabytes(folder, "result.duckdb"),
    }


def _megabytes(folder: Path, pattern: str = "*") -> float:
    """Return the total size of files, some of which may be deleted meanwhile."""
    total = 0
    for path in folder.glob(pattern):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total / 1e6


def _told(sample: Sample) -> str:
    return ", ".join(f"{each.title} {sample[each.name]:,.1f} {each.unit}" for each in SERIES)


def main() -> None:
    """Run the soak, print whether each series is level, draw the picture."""
    given = _arguments()
    given.cache.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix="soak-", dir=given.cache))
    try:
        curves = soak(folder, rate=given.rate, seconds=round(given.minutes * 60))
    finally:
        shutil.rmtree(folder)
    found = verdicts(curves)
    print(f"\n{Verdict.header()}")
    for each in found:
        print(each.row())
    if given.picture:
        PICTURE.write_text(draw(curves, found, rate=given.rate), encoding="utf-8")
    figures = {each.series.name: each.figures() for each in found}
    print(json.dumps({"rate": given.rate, "minutes": given.minutes, "series": figures}))
    sys.exit(not all(each.is_as_expected for each in found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--picture", action="store_true", help=f"draw {PICTURE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
