"""The counts that follow from the rows of a commit, as SQL over those rows (`batch`).

Each statement adds rows of its own to `match_deltas` or `touchpoint_deltas`, which are there to be
summed. `$seq` is the number of the commit. There is one statement per table: in a small commit,
and those of a live run are small, planning a statement costs more than counting.
"""

from typing import Final

COUNTED_ONLY: Final = frozenset({"received", "touchpoint_deltas", "positions"})
"""Names whose rows go in summed up only; those of `positions` are the furthest of the commit."""

_BY = (
    "advertiser_id, event_source_id, event_type, time_bucket(interval 1 hour, received_at) as hour"
)


def _histogram(names: str) -> str:
    """Count the names in a list per row."""
    return f"coalesce(list_histogram(flatten(list({names}) filter (len({names}) > 0))), map())"


_DROPPED = r"list_transform(dropped, lambda field: regexp_replace(field, '\[\d+\]', '', 'g'))"
"""An index says where in the event, not which field."""

COUNTS: Final = {
    "received": "insert into match_deltas by name select *, $seq as seq from batch",
    "rejections": f"""
insert into match_deltas by name
select {_BY}, sum(events)::bigint as rejected, $seq as seq
from batch where stream = 'events' group by all""",
    "test_events": f"""
insert into match_deltas by name
select {_BY}, sum(events)::bigint as test, $seq as seq from batch group by all""",
    "duplicates": f"""
insert into match_deltas by name
select {_BY}, count(*) as duplicate, count(*) filter (is_changed) as duplicate_changed, $seq as seq
from batch group by all""",
    "conversions_final": f"""
insert into match_deltas by name
select {_BY},
  count(*) filter (outcome = 'observed') as observed,
  count(*) filter (outcome = 'attributed') as attributed,
  count(*) filter (outcome = 'unattributed') as unattributed,
  count(*) filter (reason = 'no_identifier') as no_identifier,
  count(*) filter (reason = 'too_old') as too_old,
  count(*) filter (reason = 'no_touchpoint') as no_touchpoint,
  count(*) filter (touch_type = 'click') as click_through,
  count(*) filter (touch_type = 'view') as view_through,
  count(*) filter (is_probabilistic) as probabilistic,
  coalesce(histogram(matched_on) filter (matched_on is not null), map()) as matched_on,
  {_histogram("carries")} as carries,
  {_histogram("warnings")} as warnings,
  {_histogram(_DROPPED)} as dropped,
  sum(match_quality::decimal(13,12)) as quality_sum,
  count(*) filter (is_limited) as limited, $seq as seq
from batch group by all""",
    "touchpoint_deltas": """
insert into touchpoint_deltas by name
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type, hour,
  sum(records)::bigint as records, sum(duplicates)::bigint as duplicates,
  sum(spend) as spend, currency, $seq as seq
from batch group by all""",
    "positions": """
insert into positions by name
select stream, source_partition, max(next_offset) as next_offset, $seq as seq
from batch group by all""",
}
