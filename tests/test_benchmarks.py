"""The bench's own parts, on a log small enough for a test."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.logs import cached_log
from benchmarks.processes import Cost, cost_of, median_cost
from benchmarks.reference import run_reference
from benchmarks.replay import Race, report


def test_a_log_is_generated_once_and_read_by_the_reference(tmp_path: Path) -> None:
    folder = cached_log(tmp_path, impressions=2_000, events=400)
    made = (folder / "truth.json").stat().st_mtime_ns
    assert cached_log(tmp_path, impressions=2_000, events=400) == folder
    assert (folder / "truth.json").stat().st_mtime_ns == made

    conversions, shares, attributed = run_reference(folder, tmp_path / "out.duckdb", threads=1)
    assert 350 < conversions <= 400
    assert 0 < attributed < conversions
    assert shares > attributed


def test_the_cost_of_a_process_counts_its_work() -> None:
    cost = cost_of([sys.executable, "-c", "x = bytearray(50_000_000); print(len(x))"])
    assert cost.said == "50000000\n"
    assert cost.peak_mb > 50
    assert cost.cpu > 0
    assert cost.wall > 0


def test_a_process_that_fails_ends_the_bench() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        cost_of([sys.executable, "-c", "raise SystemExit(3)"])


def test_medians_are_taken_figure_by_figure() -> None:
    costs = [Cost(1, 30, 5), Cost(2, 10, 6), Cost(9, 20, 4)]
    assert median_cost(costs) == Cost(2, 20, 5)


def test_the_last_line_of_the_report_is_one_json_object() -> None:
    race = Race(1_200_000, ours=Cost(3, 4, 500), reference=Cost(4, 5, 700))
    assert json.loads(report(race, state_bytes=80.5).splitlines()[-1]) == {
        "cpu_ratio": 0.75,
        "wall_ratio": 0.8,
        "records_per_second": 300_000,
        "peak_mb": 500,
        "bytes_per_key": 80.5,
    }
