"""Time per record as the log grows: `python -m benchmarks.growth [CACHE]`; the last line is JSON.

A record of a long log should cost as much as a record of a short one.
"""

import argparse
import json
from pathlib import Path
from typing import Final

from benchmarks.harness.logs import CACHE, cached_log
from benchmarks.harness.processes import Cost, cost_of_replay, median_cost

_RECORDS: Final = (200_000, 1_000_000, 5_000_000)
_EVENT_SHARE: Final = 6  # one record in six is an event, as in the replay bench


def measure(cache: Path, records: int, *, runs: int) -> Cost:
    """Replay a log of `records` records; return the median cost."""
    events = records // _EVENT_SHARE
    folder = cached_log(cache, impressions=records - events, events=events)
    return median_cost([cost_of_replay(folder, folder / "replay.duckdb") for _ in range(runs)])


def main() -> None:
    """Measure every size and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--records", type=int, nargs="+", default=_RECORDS)
    given = parser.parse_args()
    costs = {size: measure(given.cache, size, runs=given.runs) for size in given.records}
    each = {size: round(cost.cpu * 1e6 / size, 3) for size, cost in costs.items()}
    print(f"{'records':>10}{'CPU s':>9}{'wall s':>9}{'us/record':>11}{'peak MB':>9}")
    for size, cost in costs.items():
        row = f"{size:>10,}{cost.cpu:>9.2f}{cost.wall:>9.2f}{each[size]:>11.2f}{cost.peak_mb:>9.0f}"
        print(row)
    growth = round(max(each.values()) / min(each.values()), 3)
    print(json.dumps({"us_per_record": each, "growth": growth}))


if __name__ == "__main__":
    main()
