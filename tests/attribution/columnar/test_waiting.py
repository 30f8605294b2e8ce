"""Rows wait for the watermark: held against a list, in any parts, cut and resumed anywhere."""

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribution.columnar.frames import END, START
from attribution.columnar.waiting import MERGE_AT, PART_ROWS, Waiting

steps = st.lists(
    st.tuples(
        st.lists(st.integers(0, 40), max_size=6),  # how far beyond the watermark rows arrive
        st.integers(0, 15),  # how far the watermark moves then
        st.booleans(),  # whether everything is resumed from a snapshot then
    ),
    max_size=40,
)


def rows(times: list[int]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"received_at": pa.array(times, pa.int64())})


def told(released: pa.RecordBatch | None) -> list[int]:
    return [] if released is None else sorted(released["received_at"].to_pylist())


@given(steps, st.sampled_from([0, 10]))
@settings(max_examples=200)
def test_rows_leave_when_the_watermark_has_passed_them(
    moves: list[tuple[list[int], int, bool]], delay: int
) -> None:
    waiting, model, watermark = Waiting(delay=delay), list[int](), 0
    for ahead, moved, resumed in moves:
        arrived = [watermark + more for more in ahead]
        waiting.add(rows(arrived))
        model += arrived
        watermark += moved
        due = [time for time in model if time < watermark - delay]
        assert told(waiting.release(watermark)) == sorted(due)
        model = [time for time in model if time >= watermark - delay]
        assert len(waiting) == len(model)
        if resumed:
            batches = waiting.batches
            waiting = Waiting(delay=delay)
            waiting.restore(batches, watermark)
    assert told(waiting.release(END)) == sorted(model)


@pytest.mark.parametrize("largest", [1, 4, 40, 400])
def test_many_small_parts_become_few(largest: int) -> None:
    waiting, time = Waiting(), 0
    chance = random.Random(largest)  # noqa: S311  not a secret
    for _ in range(1_000):
        begin, time = time, time + chance.randint(1, largest)
        waiting.add(rows(list(range(begin, time))))
    assert len(waiting.batches) < 4 * MERGE_AT + time / PART_ROWS
    assert told(waiting.release(500)) == list(range(500))


def test_parts_stay_few_however_often_they_are_resumed() -> None:
    waiting = Waiting()
    for time in range(1_000):
        waiting.add(rows([time]))
        if time % 3 == 0:
            batches, waiting = waiting.batches, Waiting()
            waiting.restore(batches, START)
    assert len(waiting.batches) <= 3
    assert told(waiting.release(END)) == list(range(1_000))


def test_a_part_that_is_not_due_is_the_same_object_in_the_next_snapshot() -> None:
    waiting = Waiting()
    for start in (0, 10, 20):
        waiting.add(rows(list(range(start, start + 9))))
    before = waiting.batches
    waiting.release(12)
    waiting.release(14)
    cut = waiting.batches
    assert [one is other for one, other in zip(before[1:], cut, strict=True)] == [True, True]


def test_before_anything_was_read_nothing_is_due() -> None:
    waiting = Waiting(delay=5)
    waiting.add(rows([START, 0]))
    assert waiting.release(START) is None
