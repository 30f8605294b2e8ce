"""Which period a delivery is of, and whether its numbers may still change."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from connectors.api.reads.asked import Row, plain
from connectors.api.reads.media_buys import Found, State, Wanted, finalized_at
from connectors.sql.reader import Reader

DAY: Final = timedelta(days=1)

LAST_DAY: Final = date(9998, 12, 31)
"""The last day that a period may begin or end with: a day later is still a date."""


@dataclass(frozen=True, slots=True)
class Period:
    """Midnights of UTC, the end itself outside."""

    start: datetime
    end: datetime


def period_of(found: Found, wanted: Wanted, state: State) -> Period:
    """Return the days asked for, or those from the first record of a media buy on.

    Without an end they go on while a job does, and end with the last record after a replay.
    """
    last = max(found.last, state.committed_at) if state.is_live else found.last
    return _period(wanted, found.first.date(), min(last.date(), LAST_DAY) + DAY)


def period_asked(wanted: Wanted, state: State) -> Period:
    """Return the days asked for where nothing is known of any media buy."""
    today = state.committed_at.date()
    return _period(wanted, today, today + DAY)


def finality(reader: Reader, found: Found, period: Period, state: State) -> Row:
    """Return whether the numbers of a period are final, and since when.

    They are once every event that happened in it and may be attributed has arrived and settled,
    or where a replay has read all that there is. Records of impressions and clicks that arrive
    later than that are counted all the same.
    """
    is_over = period.end <= state.committed_at
    if not is_over or found.provisional:
        return {"is_final": False}
    if not state.is_live:
        return {"is_final": True, "finalized_at": state.committed_at}
    settling = period.end + timedelta(microseconds=state.policy.max_event_delay)
    if state.settled is None or state.settled < settling:
        return {"is_final": False}
    return {"is_final": True, "finalized_at": finalized_at(reader, plain(settling))}


def _period(wanted: Wanted, first: date, end: date) -> Period:
    if wanted.end is not None:
        end = wanted.end
        first = min(first, end - DAY)
    if wanted.start is not None:
        first = wanted.start
        end = max(end, first + DAY)
    return Period(_midnight(first), _midnight(end))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
