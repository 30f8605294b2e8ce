"""Latency from append to commit: `python -m benchmarks.latency`; the last line is JSON.

The bench starts a broker, or creates a folder of growing files, and starts a run over it; records
are sent at each rate for a while. Measured is the time from when a record was appended until its
provisional row was committed and became visible to readers in the job's process. Only the first
seconds are left out, in which a start does everything for the first time.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from benchmarks.harness.drives import driven
from benchmarks.harness.feeds import Feed, Files, Topics
from benchmarks.harness.latencies import Latencies, measure
from benchmarks.harness.latency_picture import draw
from benchmarks.harness.logs import ROOT
from tests.support.brokers.broker import apache, jars, running, tansu

RATES: Final = (1_000, 5_000, 10_000, 20_000, 30_000, 40_000)
SECONDS: Final = 30
PICTURE: Final = ROOT / "docs" / "latency.svg"


Feeds = Callable[[Path], Feed]


@contextmanager
def feeds(over: str, folder: Path) -> Iterator[Feeds]:
    """Yield a function that creates a feed in a folder: files, or topics of a new broker."""
    if over == "folder":
        yield Files
        return
    with running(apache(folder) if over == "apache" else tansu(folder)) as broker:
        yield lambda inside: Topics(inside, broker.bootstrap_servers)


def race(feeds: Feeds, folder: Path, *, rate: int, seconds: int, extra: list[str]) -> Latencies:
    """Send at one rate to a new job; return the latencies."""
    folder = folder / f"drive-{rate}"
    folder.mkdir()
    drive = driven(feeds(folder), folder, rate=rate, seconds=seconds, extra=extra)
    found = measure(drive)
    print(found.row(), flush=True)
    return found


def main() -> None:
    """Measure every rate, print a row for each, draw the picture."""
    given = _arguments()
    extra = [word for setting in given.set or [] for word in ("--set", setting)]
    folder = Path(mkdtemp(prefix="tributary-latency-"))
    try:
        with feeds(given.over, folder) as made:
            load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            print(f"over {given.over}, {given.seconds} s each; load before: {load}")
            print(Latencies.header(), flush=True)
            found = [
                race(made, folder, rate=rate, seconds=given.seconds, extra=extra)
                for rate in given.rates
            ]
    finally:
        shutil.rmtree(folder)
    if given.picture:
        PICTURE.write_text(draw(found, over=given.over), encoding="utf-8")
    steady = [each.figures.reached for each in found if each.figures.is_steady]
    figures = {
        "over": given.over,
        "highest_steady_rate": max(steady, default=None),
        "rates": [asdict(each.figures) for each in found],
    }
    print(json.dumps(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    best = "apache" if jars() else "tansu"
    parser.add_argument("--over", choices=("apache", "tansu", "folder"), default=best)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="of the job's settings")
    parser.add_argument("--picture", action="store_true", help=f"draw {PICTURE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
