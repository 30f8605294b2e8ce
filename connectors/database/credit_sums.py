"""Sums of settled credits, from which the views about campaigns answer at once.

A sum carries the number of the last commit that it includes; the views add the credits of later
commits one by one. So it need not be written with every commit, which would cost a sixth of it.
"""

from typing import Final

import duckdb

from attribution.vocabulary import MODELS

EARNED: Final = ", ".join(
    f"sum({model}) as {model}, sum({model}_value) as {model}_value" for model in MODELS
)
"""SQL that adds up credits, or sums of credits."""

_NEW: Final = """credits_final
where seq > (select coalesce(max(seq), 0) from {table}) and seq <= {until}"""

_SUMS: Final = {
    "credit_deltas": f"""
insert into credit_deltas by name
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id,
  utc_day(event_time) as day, currency, {EARNED}, {{until}} as seq
from {_NEW} group by all""",
    "overlap_deltas": f"""
insert into overlap_deltas by name
with touched as materialized (
  select advertiser_id, conversion_id, campaign_id, bool_or(last_touch > 0) as has_won
  from {_NEW} group by all)
select advertiser_id, campaign_id, campaign_id as other_campaign_id, count(*) as conversions,
  count(*) filter (has_won) as won, {{until}} as seq
from touched group by all
union all
select one.advertiser_id, one.campaign_id, other.campaign_id, count(*), 0, {{until}}
from touched as one join touched as other using (conversion_id)
where one.campaign_id < other.campaign_id group by all""",
}


def sum_up(connection: duckdb.DuckDBPyConnection, *, until: int) -> None:
    """Add up the credits that have been committed since the last sum, up to a commit."""
    for table, sql in _SUMS.items():
        connection.execute(sql.format(table=table, until=until))
