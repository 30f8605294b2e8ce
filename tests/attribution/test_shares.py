"""The models on literal paths; whatever the path, shares and values sum to the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.columnar.columns import Ints
from attribution.shares import ONE, Paths, earned, shares

DAY = 86_400_000_000


def paths(*given: tuple[int, list[int]]) -> Paths:
    """Make paths of (place of the winner from 0, ages in order of the path)."""
    lengths = [len(ages) for _, ages in given]
    start = np.cumsum([0, *lengths[:-1]])
    wins = np.zeros(sum(lengths), dtype=bool)
    wins[[first + winner for first, (winner, _) in zip(start, given, strict=True)]] = True
    return Paths(
        position=np.concatenate([np.arange(1, length + 1) for length in lengths]),
        length=np.repeat(lengths, lengths),
        start=start,
        wins=wins,
        age=np.concatenate([np.array(ages, dtype=np.int64) for _, ages in given]),
    )


def written(found: dict[str, Ints]) -> dict[str, list[int]]:
    return {model: share.tolist() for model, share in found.items()}


def test_one_touchpoint_takes_all() -> None:
    found = shares(paths((0, [5])), half_life=7 * DAY)
    assert written(found) == {model: [ONE] for model in found}


def test_three_touchpoints_and_two_side_by_side() -> None:
    found = shares(paths((1, [14 * DAY, 7 * DAY, 0]), (0, [7 * DAY, 0])), half_life=7 * DAY)
    assert written(found) == {
        "last_touch": [0, ONE, 0, ONE, 0],
        "first_touch": [ONE, 0, 0, ONE, 0],
        "linear": [333_333_333, 333_333_334, 333_333_333, 500_000_000, 500_000_000],
        "time_decay": [142_857_142, 285_714_287, 571_428_571, 333_333_334, 666_666_666],
        "position_based": [400_000_000, 200_000_000, 400_000_000, 500_000_000, 500_000_000],
    }


def test_five_touchpoints_share_the_middle() -> None:
    found = shares(paths((2, [4, 3, 2, 1, 0])), half_life=7 * DAY)
    middle = [66_666_666, 66_666_668, 66_666_666]
    assert found["position_based"].tolist() == [400_000_000, *middle, 400_000_000]


def test_weights_too_small_to_tell_apart_are_equal() -> None:
    found = shares(paths((0, [DAY, DAY + 1])), half_life=1)
    assert found["time_decay"].tolist() == [500_000_000, 500_000_000]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10_000_001, [3_333_333, 3_333_335, 3_333_333]),
        (1, [0, 1, 0]),
        (0, [0, 0, 0]),
        (999_999_999_999_999_999, [333333332999999999, 333333334000000001, 333333332999999999]),
    ],
)
def test_values_are_rounded_down_and_the_winner_takes_the_rest(
    value: int, expected: list[int]
) -> None:
    path = paths((1, [2, 1, 0]))
    linear = shares(path, half_life=DAY)["linear"]
    assert earned(linear, path, np.full(3, value)).tolist() == expected


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 60 * DAY), min_size=1, max_size=9),
            st.integers(0, 8),
            st.integers(0, 10**18 - 1),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_sums_are_exact(given: list[tuple[list[int], int, int]]) -> None:
    path = paths(*((winner % len(ages), ages) for ages, winner, _ in given))
    value = np.repeat([value for _, _, value in given], path.length[path.start])
    for share in shares(path, half_life=7 * DAY).values():
        assert np.add.reduceat(share, path.start).tolist() == [ONE] * len(given)
        assert (share >= 0).all()
        sums = np.add.reduceat(earned(share, path, value), path.start)
        assert sums.tolist() == [value for _, _, value in given]
