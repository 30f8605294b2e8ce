"""The counts that follow from the rows of a commit, as SQL over those rows (`batch`).

Each statement adds rows of its own to `match_deltas` or `touchpoint_deltas`, which are there to be
summed. `$seq` is the number of the commit.
"""

from typing import Final

COUNTED_ONLY: Final = frozenset({"received", "touchpoint_deltas"})
"""Rows that are counted and not kept."""

_BY = (
    "advertiser_id, event_source_id, event_type, time_bucket(interval 1 hour, received_at) as hour"
)


def _of_conversions(counter: str, names: str) -> str:
    """Count names in lists of conversions, per map entry."""
    return f"""
insert into match_deltas by name
select advertiser_id, event_source_id, event_type, hour, histogram(name) as {counter}, $seq as seq
from (select {_BY}, unnest({names}) as name from batch where len({names}) > 0) group by all"""


COUNTS: Final = {
    "received": [
        "insert into match_deltas by name select *, $seq as seq from batch",
    ],
    "rejections": [
        f"""
insert into match_deltas by name
select {_BY}, sum(events)::bigint as rejected, $seq as seq
from batch where stream = 'events' group by all""",
    ],
    "test_events": [
        f"""
insert into match_deltas by name
select {_BY}, sum(events)::bigint as test, $seq as seq from batch group by all""",
    ],
    "duplicates": [
        f"""
insert into match_deltas by name
select {_BY}, count(*) as duplicate, count(*) filter (is_changed) as duplicate_changed, $seq as seq
from batch group by all""",
    ],
    "conversions_final": [
        f"""
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
  histogram(matched_on) filter (matched_on is not null) as matched_on,
  sum(match_quality) as quality_sum, count(*) filter (is_limited) as limited, $seq as seq
from batch group by all""",
        _of_conversions("carries", "carries"),
        _of_conversions("warnings", "warnings"),
        _of_conversions(
            "dropped",
            r"list_transform(dropped, lambda field: regexp_replace(field, '\[\d+\]', '', 'g'))",
        ),
    ],
    "touchpoint_deltas": [
        """
insert into touchpoint_deltas by name
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type, hour,
  sum(records)::bigint as records, sum(duplicates)::bigint as duplicates,
  sum(spend) as spend, currency, $seq as seq
from batch group by all""",
    ],
}
