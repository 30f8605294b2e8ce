"""Sorted runs: merged by size, expired as a whole, nothing lost on the way."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.columnar.columns import values
from attribution.columnar.runs import MERGE_AT, SortedRuns

Row = tuple[int, int]


def rows(*given: Row) -> pa.RecordBatch:
    """Make rows of (key, time), sorted by key."""
    given = tuple(sorted(given))
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array([key for key, _ in given], pa.uint64()),
            "time": pa.array([time for _, time in given], pa.int64()),
        }
    )


def held(runs: SortedRuns) -> list[Row]:
    return sorted(
        (key, time)
        for run in runs
        for key, time in zip(run.key.tolist(), values(run.rows, "time").tolist(), strict=True)
    )


def test_as_many_runs_as_fill_a_class_become_one() -> None:
    runs = SortedRuns(expire_by="time", retention=10)
    for key in range(MERGE_AT - 1):
        runs.insert(rows((key, 0)), watermark=0)
    assert len(list(runs)) == MERGE_AT - 1
    runs.insert(rows((99, 0)), watermark=0)
    (run,) = runs
    assert run.key.tolist() == [*range(MERGE_AT - 1), 99]


def test_merging_leaves_out_what_has_expired() -> None:
    runs = SortedRuns(expire_by="time", retention=10)
    for time in range(MERGE_AT):
        runs.insert(rows((time, time)), watermark=13)
    assert held(runs) == [(4, 4), (5, 5), (6, 6), (7, 7)]


def test_a_run_goes_when_its_last_row_has_expired() -> None:
    runs = SortedRuns(expire_by="time", retention=10)
    runs.insert(rows((1, 0), (2, 5)), watermark=0)
    runs.expire(14)
    assert held(runs) == [(1, 0), (2, 5)]
    runs.expire(15)
    assert (held(runs), len(runs)) == ([], 0)


def test_no_rows_are_no_run() -> None:
    runs = SortedRuns(expire_by="time", retention=10)
    runs.insert(rows(), watermark=0)
    assert list(runs) == []


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=9),
            st.integers(0, 9),
        ),
        max_size=40,
    )
)
def test_nothing_is_lost_before_its_time(inserts: list[tuple[list[Row], int]]) -> None:
    runs = SortedRuns(expire_by="time", retention=10)
    watermark, given_rows = 0, []
    for batch, step in inserts:
        watermark += step
        fresh = [(key, time + watermark) for key, time in batch]
        given_rows += fresh
        runs.insert(rows(*fresh), watermark=watermark)
        runs.expire(watermark)
        kept = held(runs)
        needed = [row for row in given_rows if row[1] + 10 > watermark]
        assert [row for row in kept if row[1] + 10 > watermark] == sorted(needed)
        for run in runs:
            assert (np.diff(run.key.astype(np.int64)) >= 0).all()


def test_large_runs_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attribution.columnar.runs.RUN_ROWS", 64)
    runs = SortedRuns(expire_by="time", retention=10)
    for start in range(0, 512, 8):
        runs.insert(rows(*((start + n, 0) for n in range(8))), watermark=0)
    assert [len(run.key) for run in runs] == [64] * 8


def test_what_is_restored_is_what_was_kept() -> None:
    runs, again = (SortedRuns(expire_by="time", retention=5) for _ in range(2))
    runs.insert(rows((1, 1), (2, 2)), watermark=0)
    runs.insert(rows((3, 3)), watermark=0)
    again.restore(runs.batches)
    assert held(again) == held(runs) == [(1, 1), (2, 2), (3, 3)]
    again.expire(7)
    assert held(again) == [(3, 3)]
