"""The replay against batch SQL: `python -m benchmarks.replay [CACHE]`; the last line is JSON.

All run as whole processes on the same log, in turn, several times; the figures are medians. The
bare `benchmarks.reference` checks nothing and computes less. `--equal` names a script that computes
the same result as a replay; its arguments are the folder, a new database and a number of threads.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks.harness.logs import CACHE, cached_log
from benchmarks.harness.processes import Cost, cost_of_new, cost_of_replay, median_cost
from benchmarks.state import bytes_per_key

REPLAY: Final = "replay"
BATCH: Final = "batch SQL"
EQUAL: Final = "equal SQL"
EQUAL_2: Final = "equal SQL, 2 threads"
"""Names of the sides of a race."""


def race(folder: Path, *, runs: int, equal: Path | None = None) -> dict[str, Cost]:
    """Run all sides alternately, so that a slow phase of the machine affects each.

    Returns the median costs of each side.
    """
    reference = ["-m", "benchmarks.reference"]
    sides = {BATCH: (reference, 1)}
    if equal is not None:
        sides |= {EQUAL: ([str(equal)], 1), EQUAL_2: ([str(equal)], 2)}
    costs: dict[str, list[Cost]] = {name: [] for name in (REPLAY, *sides)}
    for run in range(runs):
        print(f"run {run + 1} of {runs}", flush=True)
        costs[REPLAY].append(_shown(REPLAY, cost_of_replay(folder, folder / "replay.duckdb")))
        for name, (script, threads) in sides.items():
            costs[name].append(_shown(name, _cost_of_batch(folder, script, threads)))
    return {name: median_cost(each) for name, each in costs.items()}


def report(costs: Mapping[str, Cost], *, records: int, state_bytes: float | None) -> str:
    """Return the table of a race over so many records, with a JSON object as its last line."""
    ours = costs[REPLAY]
    figures = {
        "cpu_ratio_equal": _ratio(ours.cpu, costs[EQUAL].cpu) if EQUAL in costs else None,
        "wall_ratio_equal_2": _ratio(ours.wall, costs[EQUAL_2].wall) if EQUAL_2 in costs else None,
        "cpu_ratio": _ratio(ours.cpu, costs[BATCH].cpu),
        "wall_ratio": _ratio(ours.wall, costs[BATCH].wall),
        "records_per_second": round(records / ours.wall),
        "peak_mb": round(ours.peak_mb),
        "bytes_per_key": state_bytes,
    }
    titles = ("CPU s", "wall s", "us/record", "rec/s", "peak MB", "CPU ratio", "wall ratio")
    header = "".join(f"{title:>11}" for title in titles)
    rows = [_row(name, cost, records) + _ratios(ours, cost) for name, cost in costs.items()]
    return "\n".join([f"{'median':<22}{header}", *rows, json.dumps(figures)])


def _ratio(ours: float, other: float) -> float:
    return round(ours / other, 3)


def _ratios(ours: Cost, other: Cost) -> str:
    """Return by how much a replay costs more than another side."""
    return f"{_ratio(ours.cpu, other.cpu):>11}{_ratio(ours.wall, other.wall):>11}"


def _row(name: str, cost: Cost, records: int) -> str:
    each, rate = cost.cpu * 1e6 / records, records / cost.wall
    times = f"{cost.cpu:>11.2f}{cost.wall:>11.2f}{each:>11.2f}"
    return f"{name:<22}{times}{rate:>11,.0f}{cost.peak_mb:>11.0f}"


def _cost_of_batch(folder: Path, script: list[str], threads: int) -> Cost:
    database = folder / "batch.duckdb"
    command = [sys.executable, *script, str(folder), str(database), str(threads)]
    return cost_of_new(database, command)


def _shown(name: str, cost: Cost) -> Cost:
    print(f"  {name}: {cost.cpu:.2f} s CPU, {cost.wall:.2f} s. {cost.said.strip()}", flush=True)
    return cost


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--equal", type=Path, help="script that computes the same result")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--impressions", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=200_000)
    return parser.parse_args()


def main() -> None:
    """Generate the log, run the race, print the report."""
    given = _arguments()
    folder = cached_log(given.cache, impressions=given.impressions, events=given.events)
    records = given.impressions + given.events
    costs = race(folder, runs=given.runs, equal=given.equal)
    print(report(costs, records=records, state_bytes=bytes_per_key(folder)))


if __name__ == "__main__":
    main()
