"""The cost of recovery: `python -m benchmarks.recovery [CACHE]`; the last line is JSON.

Three measurements: the CPU time that recovery adds to a run, the bytes that an epoch writes if
little of a large state has changed, and the time to restart with a large state after a kill.
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any, Final

from benchmarks.changes import CHANGED_ROWS, EPOCHS, STATE_ROWS, Written, measure
from benchmarks.harness.logs import CACHE, cached_log
from benchmarks.keeping import compare_costs
from benchmarks.restarts import killed_state, restart

RATIO_BAR: Final = 1.3
"""The largest accepted ratio of CPU seconds with recovery to those without."""

RESTART_BAR: Final = 10.0
"""Most seconds from a start after a kill to the first commit, with ten million touchpoints."""

_EVENT_SHARE: Final = 6  # one record in six is an event, as in the replay bench


def keeping(cache: Path, folder: Path, *, records: int, runs: int) -> dict[str, Any]:
    """Compare a run with one without recovery, and print the result."""
    events = records // _EVENT_SHARE
    log = cached_log(cache, impressions=records - events, events=events)
    print(f"a backlog of {records:,} records, epochs of 1 s, with recovery and without")
    kept, unkept = compare_costs(log, folder / "keeping", runs=runs)
    ratio = round(kept.cpu / unkept.cpu, 3)
    print(f"  medians {kept.cpu:.2f} and {unkept.cpu:.2f} s: ratio {ratio}, bar {RATIO_BAR}\n")
    return {
        "recovery_ratio": ratio,
        "kept_cpu": round(kept.cpu, 2),
        "unkept_cpu": round(unkept.cpu, 2),
        "kept_wall": round(kept.wall, 2),
        "unkept_wall": round(unkept.wall, 2),
    }


def changes(cache: Path, *, records: int, epochs: int) -> dict[str, Any]:
    """Measure the bytes that epochs write; print a row for each size of state and change."""
    events = records // _EVENT_SHARE
    log = cached_log(cache, impressions=records - events, events=events)
    print(f"bytes that an epoch writes of one key group, on average over {epochs}")
    print(Written.header())
    found = []
    for state_rows in STATE_ROWS:
        for written in measure(log, state_rows, CHANGED_ROWS, epochs=epochs):
            found.append(written)
            print(written.row(), flush=True)
    print()
    return {"snapshots": [asdict(each) for each in found]}


def restarts(cache: Path, folder: Path, *, records: int, runs: int) -> dict[str, Any]:
    """Restart a killed run with a large state repeatedly, and print the result."""
    events = records // _EVENT_SHARE
    log = cached_log(cache, impressions=records - events, events=events)
    state = killed_state(cache, log)
    print(
        f"a killed run with {state.match_rows:,} match keys, {state.rows:,} rows and "
        f"{state.megabytes:,} MB of state, {state.wal_megabytes} MB of write-ahead log"
    )
    found = [restart(state, folder / "restart") for _ in range(runs)]
    for each in found:
        print(
            f"  first commit after {each.seconds:.2f} s, {each.cpu:.2f} s CPU, "
            f"{each.rows:,} rows of state, {each.resident_mb:,.0f} MB of memory"
        )
    seconds = round(median(each.seconds for each in found), 2)
    print(f"  median {seconds} s, bar {RESTART_BAR:g}\n")
    return {
        "restart_seconds": seconds,
        "restart_cpu": round(median(each.cpu for each in found), 2),
        "restart_resident_mb": round(median(each.resident_mb for each in found)),
        "match_keys": state.match_rows,
        "state_rows": state.rows,
        "state_mb": state.megabytes,
        "wal_mb": state.wal_megabytes,
    }


def main() -> None:
    """Run the selected measurements, all by default."""
    given = _arguments()
    given.cache.mkdir(parents=True, exist_ok=True)
    # Beside the cache: /tmp may be in memory, where fsync costs nothing.
    folder = Path(mkdtemp(prefix="recovery-", dir=given.cache))
    answers: dict[str, Any] = {}
    try:
        if "keeping" in given.only:
            answers |= keeping(given.cache, folder, records=given.records, runs=given.runs)
        if "changes" in given.only:
            answers |= changes(given.cache, records=given.records, epochs=given.epochs)
        if "restarts" in given.only:
            answers |= restarts(given.cache, folder, records=given.state, runs=given.runs)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(answers))


def _arguments() -> argparse.Namespace:
    questions = ("keeping", "changes", "restarts")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--only", choices=questions, nargs="+", default=questions)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=720_000, help="of the backlog")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="that change a state")
    state = "records of the large state; five in six are touchpoints"
    parser.add_argument("--state", type=int, default=12_000_000, help=state)
    return parser.parse_args()


if __name__ == "__main__":
    main()
