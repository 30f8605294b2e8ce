"""The bench's own parts, on a log small enough for a test."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.changes import measure
from benchmarks.harness.logs import cached_log
from benchmarks.harness.processes import Cost, cost_of, median_cost
from benchmarks.harness.soak_picture import draw
from benchmarks.harness.soak_series import SERIES, Curves, verdicts
from benchmarks.keeping import UNKEPT, cost_of_backlog
from benchmarks.reference import run_reference
from benchmarks.replay import BATCH, EQUAL, EQUAL_2, REPLAY, race, report
from benchmarks.restarts import killed_state, restart


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
    costs = {REPLAY: Cost(3, 4, 500), BATCH: Cost(4, 5, 700)}
    bare = {"cpu_ratio_equal": None, "wall_ratio_equal_2": None}
    assert _figures(costs) == bare | FIGURES
    equal = {EQUAL: Cost(6, 9, 700), EQUAL_2: Cost(7, 8, 800)}
    assert _figures(costs | equal) == {"cpu_ratio_equal": 0.5, "wall_ratio_equal_2": 0.5} | FIGURES


def _figures(costs: dict[str, Cost]) -> dict[str, object]:
    shown = report(costs, records=1_200_000, state_bytes=80.5)
    figures: dict[str, object] = json.loads(shown.splitlines()[-1])
    return figures


FIGURES = {
    "cpu_ratio": 0.75,
    "wall_ratio": 0.8,
    "records_per_second": 300_000,
    "peak_mb": 500,
    "bytes_per_key": 80.5,
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cached_log(tmp_path_factory.mktemp("cache"), impressions=2_000, events=400)


def test_a_script_with_the_same_result_joins_the_race(log: Path, tmp_path: Path) -> None:
    script = tmp_path / "equal.py"
    script.write_text("import sys; open(sys.argv[2], 'w').write(sys.argv[3])")
    costs = race(log, runs=1, equal=script)
    assert list(costs) == [REPLAY, BATCH, EQUAL, EQUAL_2]
    assert (log / "batch.duckdb").read_text() == "2"


def test_a_run_that_keeps_nothing_reads_the_same_log(log: Path, tmp_path: Path) -> None:
    assert cost_of_backlog(UNKEPT, log, tmp_path / "run").cpu > 0
    assert list((tmp_path / "run" / "state" / "segments").iterdir()) == []


def test_what_an_epoch_writes_is_the_change_and_not_the_state(log: Path) -> None:
    of_small, of_large = (
        list(measure(log, state, [500, 5_000], epochs=16)) for state in (20_000, 200_000)
    )
    for small, large in zip(of_small, of_large, strict=True):
        assert large.per_row < 1.2 * small.per_row
    assert of_small[1].segment_bytes > 8 * of_small[0].segment_bytes


@pytest.mark.long
def test_a_killed_run_comes_back(log: Path, tmp_path: Path) -> None:
    state = killed_state(tmp_path, log)
    assert state.match_rows > 2_000
    assert killed_state(tmp_path, log) == state
    assert restart(state, tmp_path / "restart").rows >= state.rows


def test_a_soak_tells_what_rises_from_what_comes_and_goes() -> None:
    def sample(at: int) -> dict[str, float]:
        rising = dict.fromkeys((each.name for each in SERIES), float(at))
        return rising | {"at": at, "rows": 50 + at % 30, "wal": at % 60}

    curves = Curves([sample(at) for at in range(600)])
    found = verdicts(curves)
    assert {each.series.name: each.word for each in found} == dict.fromkeys(
        (each.name for each in SERIES), "grows"
    ) | {"rows": "level", "wal": "bounded", "blocks": "bounded"}
    assert not all(each.is_as_expected for each in found)
    picture = ET.fromstring(draw(curves, found, rate=100))  # noqa: S314  we have just written it
    assert len(picture.findall("{http://www.w3.org/2000/svg}g")) == len(SERIES)
