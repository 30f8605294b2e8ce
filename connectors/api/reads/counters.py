"""Records per hour and kind, in the form that the published API has for them."""

from typing import Final, Literal

from connectors.api.reads.asked import Row, one_row
from connectors.api.reads.summary import Span
from connectors.sql.reader import Reader

Kind = Literal["conversion", "click", "impression", "measurement", "mmp"]
"""`mmp` is known and never counted: postbacks of such partners are measurements here."""

SQL: Final = """
with counted(kind, hour, records) as (
  select 'conversion', hour, accepted from match_stats where advertiser_id = $1
  union all
  select type, hour, records from touchpoint_deltas where advertiser_id = $1
  union all
  select 'measurement', time_bucket(interval 1 hour, received_at), 1 from measurements
  where advertiser_id = $1),
entries as (
  select hour, kind, sum(records)::bigint as records from counted
  where hour >= $2::timestamptz and hour < $3::timestamptz and ($4 is null or kind = $4)
  group by all having sum(records) > 0)
select (select list({eventHour: hour, eventType: kind, eventCount: records} order by hour, kind)
    from entries) as entries,
  (select coalesce(sum(records), 0)::bigint from entries) as total
"""


def counters(reader: Reader, advertiser_id: str, kind: Kind | None, span: Span) -> Row:
    """Return how many records of each kind there are per hour; without tests and copies."""
    start, end = span.instants
    found = one_row(reader, SQL, [advertiser_id, start, end, kind])
    return {
        "periodStart": start,
        "periodEnd": end,
        "entries": found["entries"] or [],
        "totalEventCount": found["total"],
    }
