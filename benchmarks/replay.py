"""The replay against batch SQL: `python -m benchmarks.replay [CACHE]`; the last line is JSON.

Both run as whole processes on the same log, in turn, several times; the figures are medians.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.logs import CACHE, cached_log
from benchmarks.harness.processes import Cost, cost_of_new, cost_of_replay, median_cost
from benchmarks.state import bytes_per_key


@dataclass(frozen=True, slots=True)
class Race:
    """The median costs of both sides on a log of `records` records."""

    records: int
    ours: Cost
    reference: Cost


def race(folder: Path, *, records: int, runs: int) -> Race:
    """Run both sides alternately, so that a slow phase of the machine affects both."""
    ours, reference = [], []
    for run in range(runs):
        print(f"run {run + 1} of {runs}", flush=True)
        ours.append(_shown("replay", cost_of_replay(folder, folder / "replay.duckdb")))
        reference.append(_shown("batch SQL", _cost_of_reference(folder)))
    return Race(records, median_cost(ours), median_cost(reference))


def report(result: Race, *, state_bytes: float | None) -> str:
    """Return the table of a race, with the JSON object as its last line."""
    ours, reference = result.ours, result.reference
    figures = {
        "cpu_ratio": round(ours.cpu / reference.cpu, 3),
        "wall_ratio": round(ours.wall / reference.wall, 3),
        "records_per_second": round(result.records / ours.wall),
        "peak_mb": round(ours.peak_mb),
        "bytes_per_key": state_bytes,
    }
    header = "".join(f"{name:>11}" for name in ("CPU s", "wall s", "us/record", "rec/s", "peak MB"))
    lines = [
        f"{'median':<12}{header}",
        _row("replay", ours, result.records),
        _row("batch SQL", reference, result.records),
        f"{'ratio':<12}{figures['cpu_ratio']:>11}{figures['wall_ratio']:>11}",
        json.dumps(figures),
    ]
    return "\n".join(lines)


def _row(name: str, cost: Cost, records: int) -> str:
    each, rate = cost.cpu * 1e6 / records, records / cost.wall
    times = f"{cost.cpu:>11.2f}{cost.wall:>11.2f}{each:>11.2f}"
    return f"{name:<12}{times}{rate:>11,.0f}{cost.peak_mb:>11.0f}"


def _cost_of_reference(folder: Path) -> Cost:
    database = folder / "reference.duckdb"
    command = [sys.executable, "-m", "benchmarks.reference", str(folder), str(database)]
    return cost_of_new(database, command)


def _shown(name: str, cost: Cost) -> Cost:
    print(f"  {name}: {cost.cpu:.2f} s CPU, {cost.wall:.2f} s. {cost.said.strip()}", flush=True)
    return cost


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--impressions", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=200_000)
    return parser.parse_args()


def main() -> None:
    """Generate the log, run the race, print the report."""
    given = _arguments()
    folder = cached_log(given.cache, impressions=given.impressions, events=given.events)
    result = race(folder, records=given.impressions + given.events, runs=given.runs)
    print(report(result, state_bytes=bytes_per_key(folder)))


if __name__ == "__main__":
    main()
