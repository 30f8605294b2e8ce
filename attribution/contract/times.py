"""Times as RFC 3339 text (seconds optional) and as whole microseconds since the epoch (UTC).

Nothing here reads a clock.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

FUTURE_TOLERANCE: Final = 24 * 3_600_000_000
"""A day: no time zone mistake is larger, and hardly any clock is off by more."""

UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_GRAMMAR: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:\.(\d+))?)?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_SECONDS: Final = 86_400
_EARLIEST: Final = (date.min.toordinal() - _EPOCH_DAY) * _DAY_SECONDS * 1_000_000
_LATEST: Final = (date.max.toordinal() + 1 - _EPOCH_DAY) * _DAY_SECONDS * 1_000_000 - 1
_LEAP_SECOND: Final = "60"
_LAST_MICROSECOND: Final = "999999"


class ParsedTime(NamedTuple):
    """Microseconds since the epoch, and whether a leap second became the second before it."""

    microseconds: int
    clamped: bool


def parse_time(text: object) -> ParsedTime | None:
    """Read `2026-04-26T14:30[:00[.123456]](Z|-05:00)`; None for anything else.

    `t` and `z` may stand for `T` and `Z`. Digits past the microsecond are cut off. The instant must
    lie in the years 1 to 9999 of UTC.
    """
    match = _GRAMMAR.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = match.groups()
    try:
        days = date.fromisoformat(day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    clamped = second == _LEAP_SECOND
    if clamped:
        second, fraction = "59", _LAST_MICROSECOND
    seconds = days * _DAY_SECONDS + int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    if sign:
        offset = int(offset_hour) * 3600 + int(offset_minute) * 60
        seconds += offset if sign == "-" else -offset
    microseconds = seconds * 1_000_000 + (int(fraction[:6].ljust(6, "0")) if fraction else 0)
    return ParsedTime(microseconds, clamped) if _EARLIEST <= microseconds <= _LATEST else None


def write_time(microseconds: int) -> str:
    """Return microseconds since the epoch as `2026-04-26T14:30:00.000000Z`."""
    moment = UNIX_EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_in_future(event_time: int, *, received_at: int) -> bool:
    """Return whether an event is dated more than `FUTURE_TOLERANCE` after its arrival."""
    return event_time > received_at + FUTURE_TOLERANCE
