"""DEDUP with literal rows: who is first, who repeats whom, and when the key is free again."""

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.columnar.columns import values
from attribution.dedup import Dedup, Released

WINDOW = 100
Row = tuple[int, int, int, str]
"""Key, its lower half, received_at, name."""


def rows(*given: Row, partition: str = "p") -> pa.RecordBatch:
    """Make rows in the order of their offsets."""
    count = len(given)
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array([row[0] for row in given], pa.uint64()),
            "key_low": pa.array([row[1] for row in given], pa.uint64()),
            "received_at": pa.array([row[2] for row in given], pa.int64()),
            "source_partition": pa.array([partition] * count).dictionary_encode(),
            "source_offset": pa.array(range(count), pa.int64()),
            "source_index": pa.array([0] * count, pa.int32()),
            "name": pa.array([row[3] for row in given]),
        }
    )


def dedup() -> Dedup:
    return Dedup(window=WINDOW, remember=("name",))


def told(released: Released | None) -> tuple[list[str], list[tuple[str, str]]]:
    """Name the first copies, and the repeats with what they repeat."""
    if released is None:
        return [], []
    repeats = zip(
        released.repeats["name"].to_pylist(), released.holders["name"].to_pylist(), strict=True
    )
    return sorted(released.firsts["name"].to_pylist()), sorted(repeats)


def test_the_first_to_arrive_counts_not_the_first_to_be_read() -> None:
    state = dedup()
    state.receive(rows((1, 1, 20, "later"), (1, 1, 10, "earlier"), (2, 1, 30, "other")))
    assert told(state.advance(1_000)) == (["earlier", "other"], [("later", "earlier")])


def test_rows_wait_until_the_watermark_has_passed_them() -> None:
    state = dedup()
    state.receive(rows((1, 1, 10, "a"), (2, 2, 20, "b")))
    assert told(state.advance(10)) == ([], [])
    assert told(state.advance(20)) == (["a"], [])
    assert told(state.advance(21)) == (["b"], [])
    assert state.advance(1_000) is None


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ((0, 99), (["0"], [("99", "0")])),
        ((0, 100), (["0", "100"], [])),
        ((0, 99, 100, 199, 200), (["0", "100", "200"], [("199", "100"), ("99", "0")])),
        ((0, 50, 149), (["0", "149"], [("50", "0")])),
    ],
)
def test_the_key_is_held_for_the_window_of_its_first_copy(
    arrivals: Sequence[int], expected: tuple[list[str], list[tuple[str, str]]], *, together: bool
) -> None:
    state = dedup()
    firsts, repeats = [], []
    if together:
        state.receive(rows(*((1, 1, at, str(at)) for at in arrivals)))
    for at in arrivals:
        if not together:
            state.receive(rows((1, 1, at, str(at))))
        if not together or at == arrivals[-1]:
            found = told(state.advance(at + 1))
            firsts += found[0]
            repeats += found[1]
    assert (sorted(firsts), sorted(repeats)) == expected


def test_half_a_key_in_common_is_nothing_in_common() -> None:
    state = dedup()
    state.receive(rows((1, 1, 0, "a"), (1, 2, 1, "b")))
    assert told(state.advance(5)) == (["a", "b"], [])
    state.receive(rows((1, 2, 6, "c"), (1, 3, 7, "d"), (1, 1, 8, "e")))
    assert told(state.advance(50)) == (["d"], [("c", "b"), ("e", "a")])


def test_partition_then_offset_break_ties() -> None:
    state = dedup()
    state.receive(rows((1, 1, 5, "b0"), (1, 1, 5, "b1"), partition="b"))
    state.receive(rows((1, 1, 5, "a0"), partition="a"))
    assert told(state.advance(9)) == (["a0"], [("b0", "a0"), ("b1", "a0")])


def test_keys_that_nobody_can_repeat_any_more_are_forgotten() -> None:
    state = dedup()
    for at in range(0, 10_000, 10):
        state.receive(rows((at, 1, at, "x")))
        state.advance(at + 1)
    assert len(state.held) <= 100


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 400)), max_size=40),
    st.lists(st.integers(0, 450), max_size=5),
)
def test_as_a_loop_would(found: list[tuple[int, int, int]], stops: list[int]) -> None:
    found = sorted(found, key=lambda row: row[2])
    firsts, repeats = [], []
    holders: dict[tuple[int, int], tuple[int, str]] = {}
    for number, (key, low, at) in enumerate(found):
        holder = holders.get((key, low))
        if holder is None or at >= holder[0] + WINDOW:
            holders[key, low] = (at, str(number))
            firsts.append(str(number))
        else:
            repeats.append((str(number), holder[1]))
    state = dedup()
    if found:
        state.receive(rows(*((*row, str(number)) for number, row in enumerate(found))))
    told_firsts, told_repeats = [], []
    for stop in [*sorted(stops), 1_000]:
        part = told(state.advance(stop))
        told_firsts += part[0]
        told_repeats += part[1]
    assert (sorted(told_firsts), sorted(told_repeats)) == (sorted(firsts), sorted(repeats))


def test_released_rows_are_sorted_by_key() -> None:
    state = dedup()
    state.receive(rows((9, 1, 0, "a"), (3, 1, 1, "b"), (5, 1, 2, "c")))
    released = state.advance(10)
    assert released is not None
    assert values(released.firsts, "key").tolist() == [3, 5, 9]
