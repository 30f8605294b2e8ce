"""What each event source of an advertiser has sent in 24 hours, as one statement of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from attribution.contract.times import UNIX_EPOCH
from connectors.api.guard import ProblemError
from connectors.api.reads.asked import Row, plain
from connectors.api.reads.media_buys import State, find_state
from connectors.api.results import NO_RESULT, NOT_YET, Results
from connectors.sql.reader import Reader

HOUR: Final = timedelta(hours=1)
HOURS: Final = 24

SQL: Final = """
with counted as (
  select event_source_id, sum(received - test)::bigint as received,
    sum(accepted)::bigint as accepted, sum(attributed)::bigint as attributed,
    sum(unattributed)::bigint as unattributed, sum(rejected)::bigint as rejected,
    sum(duplicate_changed)::bigint as duplicate_changed, sum(too_old)::bigint as too_old,
    sum(no_identifier)::bigint as no_identifier,
    count(distinct hour) filter (received > test) as hours,
    list(distinct event_type) filter (received > test + rejected) as event_types,
    sum_maps(list(carries)) as carries, sum_maps(list(warnings)) as warnings
  from match_stats
  where advertiser_id = $1 and hour >= $2::timestamptz and hour < $3::timestamptz
  group by event_source_id),
seen as (
  select event_source_id, max(hour) as hour, arg_max(event_type, hour) as event_type
  from match_stats where advertiser_id = $1 and received > test and hour < $3::timestamptz
  group by event_source_id),
arrived as (
  select event_source_id, event_type, event_time, received_at from conversions_final
  where advertiser_id = $1 and received_at >= $2::timestamptz
  union all
  select event_source_id, event_type, event_time, received_at from conversions_provisional
  where advertiser_id = $1 and received_at >= $2::timestamptz),
latest as (
  select event_source_id, max(received_at) as received_at,
    arg_max(event_time, received_at) as event_time, arg_max(event_type, received_at) as event_type
  from arrived group by event_source_id),
refused as (
  select event_source_id, code, sum(events)::bigint as events
  from rejections
  where stream = 'events' and advertiser_id = $1 and received_at >= $2::timestamptz
    and received_at < $3::timestamptz
  group by all),
worst as (
  select event_source_id, arg_max(code, events) as code from refused group by event_source_id),
failed as (
  select event_source_id, max(received_at) as refused_at,
    arg_max(code || ': ' || message, received_at) as refusal
  from rejections where stream = 'events' and advertiser_id = $1 group by event_source_id)
select seen.event_source_id, seen.hour as last_hour,
  coalesce(latest.event_type, seen.event_type) as last_event_type,
  latest.received_at as last_received_at, latest.event_time as last_event_time,
  counted.* exclude (event_source_id), worst.code as worst_code, refused_at, refusal
from seen
left join counted using (event_source_id) left join latest using (event_source_id)
left join worst using (event_source_id) left join failed using (event_source_id)
"""

LAST: Final = "select max(hour) from match_stats where received > 0"


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts of 24 hours of arrival, the hour of `at` the last of them; tests are not counted.

    `last_received_at` is exact if that was within these hours, else the begin of its hour.
    """

    at: datetime
    received: int = 0
    accepted: int = 0
    attributed: int = 0
    unattributed: int = 0
    rejected: int = 0
    duplicate_changed: int = 0
    too_old: int = 0
    no_identifier: int = 0
    hours: int = 0
    event_types: frozenset[str] = frozenset()
    carries: Mapping[str, int] = field(default_factory=dict)
    warnings: Mapping[str, int] = field(default_factory=dict)
    worst_code: str | None = None
    last_received_at: datetime | None = None
    last_event_time: datetime | None = None
    last_event_type: str | None = None
    refused_at: datetime | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Activities:
    """The activity of every source that ever sent something, and when it was looked at."""

    at: datetime
    by_source: Mapping[str, Activity]

    def of(self, event_source_id: str) -> Activity:
        """Return the activity of a source; none if nothing ever came."""
        return self.by_source.get(event_source_id) or Activity(self.at)


async def look(results: Results | None, advertiser_id: str) -> Activities:
    """Return what the sources of an advertiser have sent; raises ProblemError."""
    if results is None:
        raise ProblemError(NO_RESULT)
    now = datetime.now(UTC).replace(second=0, microsecond=0) if results.has_job else None
    question = partial(activities, advertiser_id=advertiser_id, now=now)
    found = await results.ask(("activities", advertiser_id, now), question)
    if found is None:
        raise ProblemError(NOT_YET)
    return found


async def look_if_possible(results: Results | None, advertiser_id: str) -> Activities | None:
    """Return what the sources of an advertiser have sent; None if that cannot be said now."""
    try:
        return await look(results, advertiser_id)
    except ProblemError:
        return None


def activities(reader: Reader, advertiser_id: str, now: datetime | None) -> Activities | None:
    """Return what the sources of an advertiser have sent; None before the first commit.

    Without a job, which alone knows that nothing has come since, `now` is None, and the hours are
    those before the last commit or, after a replay, at the end of its log.
    """
    state = find_state(reader)
    if state is None:
        return None
    at = now or _last_known(reader, state)
    end = UNIX_EPOCH + (at - UNIX_EPOCH) // HOUR * HOUR + HOUR
    found = reader.query(SQL, [advertiser_id, plain(end - HOURS * HOUR), plain(end)])
    rows = found.to_pylist(maps_as_pydicts="strict")
    return Activities(at, {row["event_source_id"]: _activity(at, row) for row in rows})


def _last_known(reader: Reader, state: State) -> datetime:
    if state.is_live:
        return state.committed_at
    hour: datetime | None = reader.query(LAST).column(0)[0].as_py()
    return hour or state.committed_at


def _activity(at: datetime, row: Row) -> Activity:
    last = row["last_received_at"] or row["last_hour"]
    known: dict[str, Any] = {
        name: value
        for name, value in row.items()
        if value is not None and name in Activity.__slots__
    }
    known["event_types"] = frozenset(row["event_types"] or ())
    return Activity(at, **known | {"last_received_at": last})
