"""Which kinds of identifiers a conversion carried, and how well they allow a match."""

from functools import lru_cache
from math import floor
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Array
from attribution.policy import Policy
from attribution.vocabulary import KIND_CODES, Warn

QUALITY_STEPS: Final = 1e12
"""A quality has twelve decimals, so qualities can be summed exactly as decimals."""


@lru_cache(maxsize=4096)
def match_quality(carries: int, policy_weights: tuple[tuple[str, float], ...]) -> float:
    """Return `1 - prod(1 - w)` over the kinds in the bit mask, in the order of the weights.

    Each step is one operation on doubles, so every machine computes the same last digit.
    """
    missed = 1.0
    for kind, weight in policy_weights:
        if carries >> KIND_CODES[kind] & 1:
            missed *= 1.0 - weight
    return floor((1.0 - missed) * QUALITY_STEPS + 0.5) / QUALITY_STEPS


def quality(carries: int, policy: Policy) -> float:
    """Return the match quality of one mask of kinds."""
    return match_quality(carries, _weights(policy))


def _weights(policy: Policy) -> tuple[tuple[str, float], ...]:
    return tuple((kind, policy.weights[kind]) for kind in policy.ordered_kinds)


def kinds_of(carries: int, policy: Policy) -> list[str]:
    """Return the kinds in a bit mask, strongest first."""
    return [kind for kind in policy.ordered_kinds if carries >> KIND_CODES[kind] & 1]


def quality_column(carries: Array, policy: Policy) -> Array:
    """Return the match quality of each mask; few masks occur, so each is computed once."""
    weights = _weights(policy)
    masks, which = np.unique(carries, return_inverse=True)
    return np.array([match_quality(mask, weights) for mask in masks.tolist()], dtype=float)[which]


def carries_column(carries: Array, policy: Policy) -> pa.Array:
    """Return the kinds of each mask as a list of names."""
    masks, which = np.unique(carries, return_inverse=True)
    lists = [kinds_of(mask, policy) for mask in masks.tolist()]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(which))


def warnings_column(warnings: Array) -> pa.Array:
    """Return the warnings of each mask as a list of names; null if there are none."""
    masks, which = np.unique(warnings, return_inverse=True)
    lists = [warnings_of(mask) for mask in masks.tolist()]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(which))


def warnings_of(mask: int) -> list[Warn] | None:
    """Return the warnings of a mask; None if there are none."""
    return [word for bit, word in enumerate(Warn) if mask >> bit & 1] or None
