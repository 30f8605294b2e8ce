"""Durations: parsed from text such as `30d`, kept as whole microseconds."""

import re
from typing import Final

MICROSECONDS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
ADCP_UNITS: Final = {"seconds": "s", "minutes": "m", "hours": "h", "days": "d"}
LONGEST: Final = 36_500 * MICROSECONDS["d"]
"""A century: the sum of a date and a few such durations stays within 64 bits."""
_TEXT: Final = re.compile(r"(\d{1,9})(us|ms|s|m|h|d)")


def parse_duration(given: object) -> int:
    """Read `30d`, `24h`, `90m`, `5s`, `250ms`, or AdCP's `{interval, unit}`, as microseconds.

    An integer counts as microseconds. Raises ValueError for anything else, and for more than
    `LONGEST`.
    """
    duration = _read(given)
    if duration > LONGEST:
        msg = f"a duration is at most {format_duration(LONGEST)}; got {given!r}"
        raise ValueError(msg)
    return duration


def _read(given: object) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    if isinstance(given, dict) and set(given) == {"interval", "unit"}:
        given = f"{given['interval']}{ADCP_UNITS.get(str(given['unit']), '?')}"
    match = _TEXT.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        msg = f"a duration reads like 30d, 24h, 90m, 5s or 250ms; got {given!r}"
        raise ValueError(msg)
    return int(match[1]) * MICROSECONDS[match[2]]


def format_duration(microseconds: int) -> str:
    """Write microseconds in the largest unit that keeps them whole: 86400000000 -> `1d`."""
    for unit, size in reversed(MICROSECONDS.items()):
        if microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    raise AssertionError
