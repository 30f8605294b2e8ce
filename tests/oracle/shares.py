"""The shares of one conversion under each model of section 4, and the values they earn.

It knows a conversion's path and its winner; nothing of how they were found.
Shares are whole billionths, money whole millionths, instants microseconds.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from attribution.policy import Policy

from .semantics import Conversion

WHOLE: Final = 1_000_000_000
"""The shares of one conversion sum to this."""


def shares(conversion: Conversion, policy: Policy) -> dict[str, list[int]]:
    """Return each model's shares in billionths, in path order; every list sums to WHOLE."""
    return {
        model: _with_remainder(share(conversion, policy), WHOLE, winner=conversion.winner)
        for model, share in MODEL_SHARES.items()
    }


def values(amount: int, parts: Sequence[int], *, winner: int | None) -> list[int]:
    """Split millionths of money by shares in billionths; the parts sum to the amount."""
    return _with_remainder([amount * part // WHOLE for part in parts], amount, winner=winner)


def _with_remainder(parts: Sequence[int], total: int, *, winner: int | None) -> list[int]:
    assert winner is not None
    rest = total - sum(parts)
    return [part + rest if place == winner else part for place, part in enumerate(parts)]


def _last_touch(conversion: Conversion, _: Policy) -> list[int]:
    return [WHOLE * (place == conversion.winner) for place in range(len(conversion.path))]


def _first_touch(conversion: Conversion, _: Policy) -> list[int]:
    return [WHOLE] + [0] * (len(conversion.path) - 1)


def _linear(conversion: Conversion, _: Policy) -> list[int]:
    length = len(conversion.path)
    return [WHOLE // length] * length


def _time_decay(conversion: Conversion, policy: Policy) -> list[int]:
    # Float addition depends on order, so the sum runs along the path, one weight at a time.
    event_time = conversion.event.record.event_time
    ages = np.array([event_time - t.record.time for t in conversion.path], dtype=np.int64)
    weights = np.exp2(-(ages.astype(np.float64) / float(policy.half_life)))
    total = np.cumsum(weights)[-1]
    if total == 0:
        return _linear(conversion, policy)
    return [int(billionths) for billionths in np.floor(weights / total * 1e9)]


def _position_based(conversion: Conversion, _: Policy) -> list[int]:
    length = len(conversion.path)
    if length == 1:
        return [WHOLE]
    if length == 2:
        return [WHOLE // 2] * 2
    between = 200_000_000 // (length - 2)
    return [400_000_000] + [between] * (length - 2) + [400_000_000]


MODEL_SHARES: Final[dict[str, Callable[[Conversion, Policy], list[int]]]] = {
    "last_touch": _last_touch,
    "first_touch": _first_touch,
    "linear": _linear,
    "time_decay": _time_decay,
    "position_based": _position_based,
}
