"""The question what a media buy has delivered and earned, as one statement of SQL."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from attribution.policy import Policy
from connectors.sql.errors import Parameter
from connectors.sql.reader import Reader

ROWS_MAX: Final = 20_000
"""Rows of one media buy: of packages, days and creatives, by currency; creatives are cut first."""

BUYS_MAX: Final = 25
"""Media buys of one answer."""

BUY, PACKAGE, CREATIVE, DAY, PACKAGE_DAY = 7, 3, 1, 6, 2
"""What a row is of: the bits say over which of package, creative and day it is summed."""

BUY_TYPE, PACKAGE_TYPE, BUY_ACTION, PACKAGE_ACTION = 5, 1, 6, 2
"""The same for package, event type and action source."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked: days of UTC, `end` itself outside; None for all of them."""

    advertiser_id: str
    start: date | None
    end: date | None
    model: str
    has_days: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What the result has of a media buy; `first` and `last` are its first and last instant.

    `rows` are sums by currency, whose counts repeat on each; `kinds` are conversions by type and by
    action source; `paid_clicks` is what clicks have cost, by package and currency.
    """

    media_buy_id: str
    first: datetime
    last: datetime
    rows: list[dict[str, Any]]
    kinds: list[dict[str, Any]]
    paid_clicks: dict[tuple[str | None, str], Decimal]
    provisional: Decimal
    is_cut: bool


@dataclass(frozen=True, slots=True)
class State:
    """The commit that answers, and the run that wrote it."""

    commit: int
    committed_at: datetime
    watermark: datetime | None
    settled: datetime | None
    policy: Policy
    is_live: bool


def _sql(model: str) -> str:
    return f"""
with bought as (
  select hour as instant from touchpoint_deltas where advertiser_id = $1 and media_buy_id = $2
  union all
  select event_time from credits where advertiser_id = $1 and media_buy_id = $2),
performed as materialized (
  from daily_performance
  where advertiser_id = $1 and media_buy_id = $2 and model = '{model}'
    and day >= $3::date and day < $4::date),
summed as materialized (
  select grouping(package_id, creative_id, day) as level, package_id, creative_id, day, currency,
    sum(impressions)::bigint as impressions, sum(clicks)::bigint as clicks,
    sum(conversions) as conversions, sum(valued_conversions) as valued_conversions,
    sum(value) as value, sum(spend) as spend
  from performed
  group by grouping sets ((currency), (package_id, currency), (package_id, creative_id, currency),
    (day, currency), (package_id, day, currency))
  having $5 or level not in ({DAY}, {PACKAGE_DAY})),
shown as (from summed order by level desc, spend desc, impressions desc limit {ROWS_MAX}),
paid_clicks as (
  select package_id, currency, sum(spend) as spend from touchpoint_deltas
  where advertiser_id = $1 and media_buy_id = $2 and type = 'click' and currency is not null
    and hour >= $3::timestamptz and hour < $4::timestamptz
  group by all),
counted as (
  select credit.*, true as is_final, event_source_id, event_type, action_source
  from credits_final as credit join conversions_final using (conversion_id, event_time)
  where credit.advertiser_id = $1 and media_buy_id = $2
  union all by name
  select credit.*, event_source_id, event_type, action_source
  from credits as credit join conversions using (conversion_id)
  where credit.advertiser_id = $1 and media_buy_id = $2
    and not credit.is_final and not conversions.is_final),
earned as materialized (
  select package_id, event_type, event_source_id, action_source, currency,
    {model} as share, {model}_value as value, is_final
  from counted
  where {model} > 0 and event_time >= $3::timestamptz and event_time < $4::timestamptz),
kinds as (
  select grouping(package_id, event_type, action_source) as level, package_id, event_type,
    action_source, event_source_id, currency, sum(share) as conversions, sum(value) as value
  from earned
  group by grouping sets (
    (event_type, event_source_id, currency), (package_id, event_type, event_source_id, currency),
    (action_source, event_source_id, currency),
    (package_id, action_source, event_source_id, currency)))
select (select min(instant) from bought) as first, (select max(instant) from bought) as last,
  (select list(shown) from shown) as rows, (select count(*) from summed) > {ROWS_MAX} as is_cut,
  (select list(kinds) from kinds) as kinds, (select list(paid_clicks) from paid_clicks) as paid,
  (select coalesce(sum(share), 0) from earned where not is_final) as provisional
"""


STATE: Final = """
select commits.*, run.policy, coalesce(run.inputs ->> 'mode', '') = 'run' as is_live
from (from commits order by seq desc limit 1) as commits
cross join (from runs order by started_at desc limit 1) as run
"""

FINALIZED: Final = """
select min(committed_at) from commits where settled >= $1::timestamptz
"""

NAMES: Final = f"""
select distinct media_buy_id from daily_performance
where advertiser_id = $1 and media_buy_id is not null
  and day >= $2::date and day < $3::date
order by media_buy_id limit {BUYS_MAX + 1}
"""


def find_state(reader: Reader) -> State | None:
    """Return what answers; None before the first commit."""
    rows = reader.query(STATE).to_pylist()
    if not rows:
        return None
    row = rows[0]
    return State(
        row["seq"],
        row["committed_at"],
        row["watermark"],
        row["settled"],
        Policy.model_validate_json(row["policy"]),
        row["is_live"],
    )


def find_media_buy(reader: Reader, media_buy_id: str, wanted: Wanted) -> Found | None:
    """Return what a media buy has delivered and earned; None if the result knows none."""
    days = _days(wanted)
    parameters = [wanted.advertiser_id, media_buy_id, *days, wanted.has_days]
    (row,) = reader.query(_sql(wanted.model), parameters).to_pylist()
    if row["first"] is None:
        return None
    paid = {(each["package_id"], each["currency"]): each["spend"] for each in row["paid"] or []}
    return Found(
        media_buy_id,
        row["first"],
        row["last"],
        row["rows"] or [],
        row["kinds"] or [],
        paid,
        row["provisional"],
        row["is_cut"],
    )


def names_of(reader: Reader, wanted: Wanted) -> list[str]:
    """Return the media buys of an advertiser in the days asked for, at most BUYS_MAX + 1."""
    found = reader.query(NAMES, [wanted.advertiser_id, *_days(wanted)])
    return [str(name) for name in found.column(0).to_pylist()]


def finalized_at(reader: Reader, instant: str) -> datetime | None:
    """Return when everything received before an instant had settled; None if it has not."""
    found: datetime | None = reader.query(FINALIZED, [instant]).column(0)[0].as_py()
    return found


def _days(wanted: Wanted) -> list[Parameter]:
    return [(wanted.start or date.min).isoformat(), (wanted.end or date.max).isoformat()]
