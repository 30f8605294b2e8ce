"""Amounts of money: exact decimal numbers, rounded half up to DECIMAL(18,6)."""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, NamedTuple

_MICRO: Final = Decimal("0.000001")
_ZERO: Final = Decimal("0.000000")
_LIMIT: Final = Decimal(10) ** 12
_LIMIT_DIGITS: Final = 12
_CONTEXT: Final = Context(prec=40, rounding=ROUND_HALF_UP)

_NOISE_LIMIT: Final = Decimal(10) ** 9
"""Below it a double tells micro-units apart, and digits that no double can hold were not meant:
0.300000000000000001 is 0.3. Columns of doubles judge a number the same way."""


class Money(NamedTuple):
    """An amount of six decimals, and whether rounding changed the intended value."""

    amount: Decimal
    rounded: bool


def to_money(exact: Decimal) -> Money | None:
    """Round to six decimals; None for an amount of 10^12 and more, or not finite."""
    # Check the size before rounding: a number may have a million digits.
    if not exact.is_finite() or (exact and exact.adjusted() > _LIMIT_DIGITS):
        return None
    amount = exact.quantize(_MICRO, context=_CONTEXT) or _ZERO
    if abs(amount) >= _LIMIT:
        return None
    return Money(amount, amount != exact and not _is_noise(exact, amount))


def _is_noise(exact: Decimal, amount: Decimal) -> bool:
    return abs(exact) < _NOISE_LIMIT and float(exact) == float(amount)
