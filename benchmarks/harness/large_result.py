"""Makes a result file of any size by SQL alone, with the skew of a real one.

No job could write ten million conversions within a minute. The rows are random and follow from no
log, so the file cannot be verified; its sizes, numbers of different values and orders are those of
a result of ninety days.
"""

from pathlib import Path
from typing import Final

import duckdb

from connectors.database.credit_sums import sum_up
from connectors.database.schema import create

ADVERTISERS: Final = 20
"""The largest has 22 % of the conversions, the median one 4 %."""

LARGEST: Final = "adv-00"
MEDIAN: Final = "adv-10"
MEMORY: Final = "6GB"

_MACROS: Final = """
create temp macro skewed(n) as floor(n * pow(random(), 2))::integer;
create temp macro advertiser() as 'adv-' || lpad(skewed({advertisers})::varchar, 2, '0');
create temp macro moment(share) as
  timestamptz '2026-01-01' + to_microseconds((share * 7776e9)::bigint);
"""

# One event in twenty is reported by the server too, under the same event_id; one purchase in twenty
# under the same order. Those who have several currencies are every fourth advertiser.
_CONVERSIONS: Final = """
create temp table facts as
select i, advertiser() as advertiser_id, moment(i / {conversions}) as received_at,
  random() as of_source, random() as of_type, random() as of_outcome, random() as of_value,
  random() as of_money, random() as of_copy
from range({conversions}) as r(i);

insert into conversions_final by name
select md5(i::varchar) as conversion_id, advertiser_id,
  advertiser_id || if(of_copy < 0.1, '-server', if(of_source < 0.7, '-pixel', '-app'))
    as event_source_id,
  case when of_type < 0.5 then 'purchase' when of_type < 0.7 then 'lead'
    when of_type < 0.9 then 'add_to_cart' else 'page_view' end as event_type,
  'event-' || if(of_copy < 0.05, i - 1 - i % 7, i) as event_id,
  received_at - to_seconds((600 * of_value)::bigint) as event_time, received_at,
  if(of_type < 0.5, (10 + 200 * of_value * of_value)::decimal(18,6), null) as value,
  if(of_type >= 0.5, null, if(right(advertiser_id, 1) in ('0', '4', '8') and of_money < 0.2,
    if(of_money < 0.1, 'GBP', 'EUR'), 'USD')) as currency,
  if(of_type < 0.5, 'order-' || if(of_copy between 0.05 and 0.1, i - 1 - i % 7, i), null)
    as order_id,
  case when of_outcome < 0.65 then 'attributed' when of_outcome < 0.98 then 'unattributed'
    else 'observed' end as outcome,
  if(outcome = 'unattributed', 'no_touchpoint', null) as reason,
  if(outcome = 'attributed', if(of_money < 0.5, 'click', 'uid2'), null) as matched_on,
  if(outcome = 'attributed', if(of_source < 0.6, 'click', 'view'), null) as touch_type,
  if(outcome = 'attributed', of_value < 0.02, null) as is_probabilistic,
  if(outcome = 'attributed', least(1 + floor(-4.25 * ln(1 - of_money) * 0.85), 40)::integer, 0)
    as path_length,
  if(outcome = 'attributed', exp(14.5 * sqrt(of_value)), null) as seconds_to_convert,
  ['uid2', 'ip_ua'] as carries, 0.93 as match_quality, 'events-0' as source_partition,
  i as source_offset, 1 + i // 20000 as seq
from facts;
"""

_CREDITS: Final = """
insert into credits_final by name
select conversion_id, advertiser_id, event_time, 'imp-' || hash(conversion_id, p) as impression_id,
  if(p = winner, touch, 'impression') as type,
  event_time - to_seconds((seconds_to_convert * (1 + path_length - p))::bigint) as time,
  advertiser_id || '-campaign-' || c as campaign_id,
  campaign_id || '-buy-' || (skew % 2) as media_buy_id, media_buy_id || '-package' as package_id,
  campaign_id || '-creative-' || skew as creative_id, matched_on, is_probabilistic,
  p::integer as position, path_length, if(p = winner, 1, 0) as last_touch,
  if(p = 1, 1, 0) as first_touch, 1 / path_length as linear, 1 / path_length as time_decay,
  case when path_length = 1 then 1 when path_length = 2 then 0.5 when p in (1, path_length)
    then 0.4 else 0.2 / (path_length - 2) end as position_based,
  value * last_touch as last_touch_value, value * first_touch as first_touch_value,
  value / path_length as linear_value, value / path_length as time_decay_value,
  value * position_based as position_based_value, currency, seq
from (
  select *, unnest(range(1, path_length + 1)) as p, touch_type as touch,
    1 + hash(conversion_id) % path_length as winner, skewed(8) as skew, skewed(12) as c
  from conversions_final where outcome = 'attributed');
"""

# What has not settled, in two revisions, and what has but was not deleted yet.
_PROVISIONAL: Final = """
create temp table open as
select conversion_id, seq,
  if(row_number() over () % 5 = 0, conversion_id, md5('open' || conversion_id)) as open_id
from conversions_final where source_offset >= {conversions} * 0.999;

insert into conversions_provisional
select conversions_final.* replace (open_id as conversion_id, open.seq - revision as seq)
from conversions_final join open using (conversion_id)
cross join (values (1), (2)) as r(revision);

insert into credits_provisional
select credits_final.* replace (open_id as conversion_id, open.seq - revision as seq)
from credits_final join open using (conversion_id) cross join (values (1), (2)) as r(revision);
"""

_DELTAS: Final = """
insert into touchpoint_deltas
select advertiser_id, advertiser_id || '-campaign-' || c as campaign_id,
  campaign_id || '-buy-' || (skew % 2) as media_buy_id, media_buy_id || '-package',
  campaign_id || '-creative-' || skew, if(is_click, 'click', 'impression') as type,
  date_trunc('hour', moment(i * 8 / {conversions})), skewed(400), skewed(3),
  if(is_click, 0, skewed(90) / 100), if(is_click, null, 'USD'),
  1 + i * 8 // 20000
from (select i, advertiser() as advertiser_id, skewed(8) as skew, skewed(12) as c,
    random() < 0.1 as is_click from range({conversions} // 8) as r(i));

insert into match_deltas by name
select advertiser_id, event_source_id, event_type, date_trunc('hour', received_at) as hour,
  count(*) as received, count(*) filter (outcome = 'observed') as observed,
  count(*) filter (outcome = 'attributed') as attributed,
  count(*) filter (outcome = 'unattributed') as unattributed,
  count(*) filter (outcome = 'unattributed') as no_touchpoint,
  count(*) filter (touch_type = 'click') as click_through,
  count(*) filter (touch_type = 'view') as view_through,
  map {{'uid2': count(*), 'ip_ua': count(*)}} as carries,
  map {{'uid2': attributed, 'click': 1}} as matched_on,
  map {{'missing_click_id_type': count(*)}} as warnings, map() as dropped,
  0.93 * count(*) as quality_sum, max(seq) as seq
from conversions_final group by all;
"""


def write_large_result(path: Path, conversions: int) -> None:
    """Write a result of so many conversions and about 2.5 credits for each."""
    with duckdb.connect(path, config={"memory_limit": MEMORY}) as connection:
        connection.execute("set timezone = 'UTC'; set preserve_insertion_order = true")
        create(connection)
        connection.execute("select setseed(0.5)")
        for step in (_MACROS, _CONVERSIONS, _CREDITS, _PROVISIONAL, _DELTAS):
            connection.execute(step.format(conversions=conversions, advertisers=ADVERTISERS))
        sum_up(connection, until=conversions)
        connection.execute("checkpoint")
