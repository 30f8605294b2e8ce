"""How long a record takes to show: `python -m benchmarks.latency`; the last line is JSON.

A broker is started, or a folder made whose files grow, and a run over it; records are sent at each
rate for a while. Measured is the time from when a record was appended until its provisional row was
committed, which is when any reader of the job's process sees it. Nothing is left out but the first
seconds, in which a start still does everything for the first time.
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
    """Yield what makes a feed in a folder of its own: files, or topics of a broker of ours."""
    if over == "folder":
        yield Files
        return
    with running(apache(folder) if over == "apache" else tansu(folder)) as broker:
        yield lambda inside: Topics(inside, broker.bootstrap_servers)


def race(feeds: Feeds, folder: Path, *, rate: int, seconds: int, extra: list[str]) -> Latencies:
    """Send at one rate to a job of its own; give what it took."""
    folder = folder / f"drive-{rate}"
    folder.mkdir()
    drive = driven(feeds(folder), folder, rate=rate, seconds=seconds, extra=extra)
    found = measure(drive)
    print(found.row(), flush=True)
    return found


def main() -> None:
    """Send at every rate, print a row for each, draw the picture."""
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
