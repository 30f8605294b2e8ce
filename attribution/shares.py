"""The five attribution models: the share of a conversion that each touchpoint of its path earns.

A share is whole billionths, rounded down; the winner takes the remainder, so that the shares of a
conversion sum to exactly one and the values they earn to exactly its value (design: semantics,
"Winner and credit"). Money and shares are integers throughout; only time decay uses float64.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from attribution.columnar.columns import Array, Ints
from attribution.vocabulary import MODELS

ONE: Final = 1_000_000_000
"""A whole conversion, in billionths."""
_ENDS: Final = 400_000_000
_MIDDLE: Final = 200_000_000
_TWO: Final = 2


@dataclass(frozen=True, slots=True)
class Paths:
    """Touchpoints in path order, conversion after conversion.

    Per row, `position` in the path counts from 1 and `length` is the length of the path; `start`
    are the rows that begin a path; `wins` marks the best-ranked row of each path; `age` is
    `event_time - time` in microseconds.
    """

    position: Ints
    length: Ints
    start: Ints
    wins: Array
    age: Ints


def shares(paths: Paths, *, half_life: int) -> dict[str, Ints]:
    """Return the billionths per touchpoint, by model; `half_life` is in microseconds."""
    raw = {
        "last_touch": np.where(paths.wins, ONE, 0),
        "first_touch": np.where(paths.position == 1, ONE, 0),
        "linear": ONE // paths.length,
        "time_decay": _time_decay(paths, half_life),
        "position_based": _position_based(paths),
    }
    return {model: _whole(raw[model], paths, ONE) for model in MODELS}


def earned(share: Ints, paths: Paths, value: Ints) -> Ints:
    """Split each conversion's value (millionths, per touchpoint row) by billionths.

    `value * share` would overflow, so the value is split first: both products stay below 10**18.
    """
    whole, part = np.divmod(value, ONE)
    return _whole(whole * share + part * share // ONE, paths, value[paths.start])


def _whole(floored: Ints, paths: Paths, total: Ints | int) -> Ints:
    """Add to each winner what rounding down left over of `total`."""
    if len(floored) == 0:
        return floored
    rest = total - np.add.reduceat(floored, paths.start)
    result = floored.copy()
    result[paths.wins] += rest
    return result


def _time_decay(paths: Paths, half_life: int) -> Ints:
    """Share by weights `2 ** (-age / half_life)`, summed along the path in float64.

    Where all weights of a path are too small for a float64, its touchpoints share equally.
    """
    weight = np.exp2(-(paths.age.astype(np.float64) / float(half_life)))
    length = paths.length[paths.start]
    total = np.zeros(len(paths.start))
    # Added one by one in path order: the order of float additions is part of the result.
    for step in range(int(length.max(initial=0))):
        longer = np.flatnonzero(length > step)
        total[longer] += weight[paths.start[longer] + step]
    total = np.repeat(total, length)
    with np.errstate(invalid="ignore"):
        share = np.floor(weight / total * ONE)
    return np.where(total > 0, share, ONE // paths.length).astype(np.int64)


def _position_based(paths: Paths) -> Ints:
    """Share 40 % to each end and 20 % among the rest; a path of two is halved, of one gets all."""
    last = paths.position == paths.length
    ends = (paths.position == 1) | last
    between = _MIDDLE // np.maximum(paths.length - 2, 1)
    share = np.where(ends, _ENDS, between)
    share = np.where(paths.length == _TWO, ONE // _TWO, share)
    return np.where(paths.length == 1, ONE, share)
