-- The expected contents of a result file, computed by plain batch SQL from the decoded log
-- (log_tables.sql) and the policy. It contains the rules of docs/semantics.md and nothing of how
-- the job works: no order of reading, no batches, no state. It runs from top to bottom; each table
-- is one idea, and the last ones are compared with the tables of schema.sql. Of a result that still
-- grows, only what it has decided so far is compared.

-- ====================================================================================== copies
-- The key of an event is its advertiser, source, type and id. The first copy to arrive claims the
-- key for dedup_window, measured from its own arrival; a copy within that time is a duplicate of
-- it, and the first one after that time claims the key again.

create table copies as
select *, row_number() over (
    partition by advertiser_id, event_source_id, event_type, event_id
    order by received_at, source_partition, source_offset, source_index) as copy
from log_events;

create table first_copies as
with recursive holder as (
  select advertiser_id, event_source_id, event_type, event_id, copy, received_at
  from copies where copy = 1
  union all
  select advertiser_id, event_source_id, event_type, event_id,
    min(later.copy), min(later.received_at)
  from holder
  join copies as later using (advertiser_id, event_source_id, event_type, event_id)
  cross join policy
  where later.copy > 1 and later.copy > holder.copy
    and later.received_at >= holder.received_at + dedup_window
  group by all)
select advertiser_id, event_source_id, event_type, event_id, copy, copy as first_copy from holder;

create table events as
select copies.*, first_copy
from copies
asof join first_copies using (advertiser_id, event_source_id, event_type, event_id, copy);

-- ================================================================================= conversions
-- A conversion is an event that is not a duplicate. Its id is a hash of its key and its position.

create macro sized(text) as length(text) || ':' || text;

create table conversions as
select row_number() over () as c, events.*,
  md5(received_at || '|' || source_offset || '|' || source_index || '|' || sized(source_partition)
    || '|' || sized(advertiser_id) || '|' || sized(event_source_id) || '|' || sized(event_type)
    || '|' || event_id) as conversion_id,
  received_at + settle_delay as settles_at,
  event_time < received_at - max_event_delay as is_too_old,
  is_observed
from events join windows using (event_type) cross join policy
where copy = first_copy;

-- Conversions that have not settled are excluded: later records may still change them.
create table unsettled as
from conversions
where received_at >= (select settled from progress)
  and conversion_id not in (select conversion_id from ahead);

delete from conversions where c in (select c from unsettled);

create view known as from conversions union all from unsettled;

-- The kinds that it carried, strongest first, and its match quality. It is computed in doubles, in
-- that order, and rounded half up to twelve decimals, so that every digit is determined.
create table qualities as
select c, list(kind order by strength) as carries,
  floor((1 - list_reduce(list(1 - weight order by strength), lambda missed, more: missed * more))
    * 1e12 + 0.5) / 1e12 as match_quality
from (select c, unnest(carries) as kind from known) join kinds using (kind)
group by c;

-- ================================================================================== match keys
-- Conversion and touchpoint match if they carry the same value of the same kind for the same
-- advertiser. Only kinds that the policy matches on count, and each key has two windows: a shared
-- click id proves the click; IP and user agent are trusted only for a short time.

create table conversion_keys as
select c, advertiser_id, kind, value, strength, event_time, settles_at,
  if(kind = 'ip_ua', least(post_click, probabilistic_window), post_click) as click_window,
  case when kind = 'click' then post_click
    when kind = 'ip_ua' then least(post_view, probabilistic_window)
    else post_view end as view_window
from (select c, advertiser_id, event_type, event_time, settles_at,
    unnest(match_keys, recursive := true) from conversions)
join kinds using (kind) join windows using (event_type) cross join policy
where is_matchable;

-- A record is one impression or one click. They are numbered in the order in which one is chosen to
-- represent its touchpoint: a click before an impression, then the earliest.
create table records as
select row_number() over (order by type <> 'click', time, received_at, source_partition,
    source_offset) as t, *
from log_impressions;

-- The keys of records that some conversion carries too. `place` orders the records of a key: by
-- time, then impression, then arrival.
create table record_keys as
select t, advertiser_id, kind, value, impression_id, type, time, received_at,
  row_number() over (
    partition by advertiser_id, kind, value
    order by time, impression_id, received_at, source_partition, source_offset) as place
from (select * exclude (match_keys), unnest(match_keys, recursive := true) from records)
semi join conversion_keys using (advertiser_id, kind, value);

-- ==================================================================================== eligible
-- A record is eligible for a conversion through a key both carry, if it happened no later than
-- the event, within the window (its end is outside), and had arrived when the conversion settled.
-- Observed events earn nothing, and neither do those that arrived too late.

create table searches as
select row_number() over () as search, conversion_keys.* from conversion_keys
join conversions using (c) where not is_observed and not is_too_old;

create macro eligible_for(chosen) as table
from query_table(chosen) as chosen join record_keys using (advertiser_id, kind, value)
where time <= event_time
  and event_time < time + if(type = 'click', click_window, view_window)
  and received_at < settles_at;

-- Per conversion and key, only the latest max_candidates records count. Few keys have more (a
-- crawler, a shared address), and they are limited before the join: for a key with a million
-- records only the lowest place that counts is computed, never the pairs.
create table crowded as
select search, c from eligible_for('searches') group by all
having count(*) > (select max_candidates from policy);

create table bounded as
select searches.*, coalesce(lowest, 0) as lowest
from searches left join (
  select search, list_min(max(place, max_candidates)) as lowest
  from eligible_for('searches') semi join crowded using (search) cross join policy
  group by search) using (search);

create table considered as
select c, t, kind, strength, impression_id, type
from eligible_for('bounded') where place >= lowest;

-- ================================================================================= touchpoints
-- The eligible records of one impression form one touchpoint: a click if one of them is a click or
-- shares a click id; matched by the strongest key; probabilistic if that is only IP and user agent.

create table touchpoints as
select *, t as record from (
  select c, impression_id, min(t) as t, min(strength) as strength,
    bool_or(type = 'click' or kind = 'click') as is_click,
    bool_and(kind = 'ip_ua') as is_probabilistic
  from considered group by c, impression_id)
join (select t, time, campaign_id, media_buy_id, package_id, creative_id from records) using (t);

-- Clicks before views, deterministic before probabilistic, late before early, then the smaller id.
-- The first max_candidates stay; the first of them wins.
create table ranked as
select *, row_number() over (
    partition by c order by is_click desc, is_probabilistic, time desc, impression_id) as rank
from touchpoints;

create table candidates as
select ranked.*, kinds.kind as matched_on, rank = 1 as is_winner,
  row_number() over (partition by c order by time, impression_id) as position,
  count(*) over (partition by c) as path_length
from ranked join kinds using (strength) cross join policy
where rank <= max_candidates;

create table limited as
select c from crowded
union
select c from ranked cross join policy where rank > max_candidates;

-- ====================================================================================== shares
-- Shares are whole billionths, rounded down; the winner gets the remainder. Weights of time_decay
-- are added up from the earliest touchpoint to the latest.

create macro with_rest(part, whole, is_winner, c) as
  part + if(is_winner, whole - sum(part) over (partition by c), 0);

create table weights as
select candidates.*,
  pow(2.0, -((event_time - time)::double / half_life::double)) as weight
from candidates join conversions using (c) cross join policy;

create table totals as
select c, list_reduce(list(weight order by position), lambda total, weight: total + weight)
    as total
from weights group by c;

create table parts as
select c, position, is_winner,
  if(is_winner, 1_000_000_000, 0)::hugeint as last_touch,
  if(position = 1, 1_000_000_000, 0)::hugeint as first_touch,
  (1_000_000_000 // path_length)::hugeint as linear,
  if(total > 0, floor(weight / total * 1e9), 1_000_000_000 // path_length)::hugeint as time_decay,
  case when path_length = 1 then 1_000_000_000
    when path_length = 2 then 500_000_000
    when position in (1, path_length) then 400_000_000
    else 200_000_000 // (path_length - 2) end::hugeint as position_based
from weights join totals using (c);

create table shares as
select c, position, is_winner,
  with_rest(last_touch, 1_000_000_000, is_winner, c) as last_touch,
  with_rest(first_touch, 1_000_000_000, is_winner, c) as first_touch,
  with_rest(linear, 1_000_000_000, is_winner, c) as linear,
  with_rest(time_decay, 1_000_000_000, is_winner, c) as time_decay,
  with_rest(position_based, 1_000_000_000, is_winner, c) as position_based
from parts;

-- The value of a share: whole millionths of the currency, rounded down; the winner gets the
-- remainder. For a conversion without a value it is NULL, not 0.

create macro earned(share, micros, is_winner, c) as
  with_rest(micros * share // 1_000_000_000, micros, is_winner, c)::bigint;

create table earnings as
select c, position,
  earned(last_touch, micros, is_winner, c) as last_touch,
  earned(first_touch, micros, is_winner, c) as first_touch,
  earned(linear, micros, is_winner, c) as linear,
  earned(time_decay, micros, is_winner, c) as time_decay,
  earned(position_based, micros, is_winner, c) as position_based
from shares
join (select c, (value::decimal(38,6) * 1_000_000)::hugeint as micros from conversions) using (c);

-- ==================================================================================== outcomes
-- The first condition that holds determines the outcome.

create table outcomes as
select c,
  case when is_observed then 'observed'
    when c not in (select c from conversion_keys) then 'unattributed'
    when is_too_old then 'unattributed'
    when c not in (select c from candidates) then 'unattributed'
    else 'attributed' end as outcome,
  case when is_observed then null
    when c not in (select c from conversion_keys) then 'no_identifier'
    when is_too_old then 'too_old'
    when c not in (select c from candidates) then 'no_touchpoint' end as reason,
  c in (select c from limited) as is_limited
from conversions;

-- ===================================================================================== results

-- The columns that describe the event itself, whatever it matched.
create view facts as
select c, conversion_id, advertiser_id, event_source_id, event_type, custom_event_name, event_id,
  make_timestamptz(event_time) as event_time, make_timestamptz(received_at) as received_at,
  action_source, event_source_host, value, currency, order_id, num_items, content_ids,
  json(custom_data) as custom_data, coalesce(qualities.carries, []) as carries,
  coalesce(match_quality, 0) as match_quality, warnings, dropped,
  source_partition, source_offset, source_index
from known left join qualities using (c);

create table expected_conversions_final as
select facts.* exclude (c), outcome, reason, matched_on,
  if(is_click, 'click', if(is_click is null, null, 'view')) as touch_type, is_probabilistic,
  coalesce(path_length, 0)::integer as path_length,
  (epoch_us(event_time) - time) / 1e6 as seconds_to_convert, is_limited
from facts join outcomes using (c)
left join (from candidates where is_winner) using (c);

create macro share_of(billionths) as
  (billionths::bigint * 0.000000001::decimal(10,9))::decimal(10,9);
create macro money_of(micros) as (micros * 0.000001::decimal(7,6))::decimal(18,6);

create table expected_credits_final as
select conversion_id, advertiser_id, make_timestamptz(event_time) as event_time, impression_id,
  if(is_click, 'click', 'impression') as type, make_timestamptz(time) as time, campaign_id,
  media_buy_id, package_id, creative_id, matched_on, is_probabilistic,
  position::integer as position, path_length::integer as path_length,
  share_of(shares.last_touch) as last_touch, share_of(shares.first_touch) as first_touch,
  share_of(shares.linear) as linear, share_of(shares.time_decay) as time_decay,
  share_of(shares.position_based) as position_based,
  money_of(earnings.last_touch) as last_touch_value,
  money_of(earnings.first_touch) as first_touch_value,
  money_of(earnings.linear) as linear_value, money_of(earnings.time_decay) as time_decay_value,
  money_of(earnings.position_based) as position_based_value,
  if(value is null, null, currency) as currency
from candidates join shares using (c, position) join earnings using (c, position)
join (select c, conversion_id, advertiser_id, event_time, value, currency from conversions)
  using (c);

-- A duplicate is changed if any validated field differs, regardless of the order within sets.
create macro content(e) as {
  time: e.event_time, name: e.custom_event_name, action_source: e.action_source,
  url: e.event_source_url, value: e.value, currency: e.currency, data: json(e.custom_data)::varchar,
  carries: list_sort(e.carries), keys: list_sort(e.match_keys)};

create table expected_duplicates as
select duplicate.advertiser_id, duplicate.event_source_id, duplicate.event_type,
  duplicate.event_id, make_timestamptz(duplicate.received_at) as received_at, conversion_id,
  content(duplicate) is distinct from content(first) as is_changed
from events as duplicate
join known as first
  using (advertiser_id, event_source_id, event_type, event_id, first_copy)
where duplicate.copy <> duplicate.first_copy
  and (duplicate.received_at < (select settled from progress)
    or (conversion_id, duplicate.received_at) in (from ahead_duplicates));

-- A measurement is stored as it came. Its id is a hash of what identifies it; of those with one id
-- the one that arrived last counts.
create macro part(text) as coalesce(sized(text), '');

create table expected_measurements as
select * replace (make_timestamptz(start_time) as start_time, make_timestamptz(end_time) as end_time,
    make_timestamptz(received_at) as received_at),
  md5(if(external_row_id is null, '3:row', '2:id') || '|' || part(advertiser_id) || '|'
    || part(source) || '|' || part(source_platform) || '|'
    || if(external_row_id is null, part(campaign_id) || '|' || part(media_buy_id) || '|'
      || part(package_id) || '|' || part(creative_id) || '|' || part(metric_id) || '|'
      || part(unit) || '|' || part(currency) || '|' || part(source_metric_name) || '|'
      || part(start_time::varchar) || '|' || part(end_time::varchar),
      part(external_row_id))) as measurement_id
from log_measurements;

create macro later(m) as (coalesce(epoch_us(m.received_at), -9223372036854775807),
  m.source_partition, m.source_offset, m.source_index);

create table expected_latest_measurements as
from expected_measurements as m
semi join (select measurement_id, max(later(n)) as latest from expected_measurements as n
  group by measurement_id) as last
on m.measurement_id = last.measurement_id and later(m) = latest;

create table expected_rejections as
select * replace (make_timestamptz(received_at) as received_at) from log_rejections;

create table expected_test_events as
select * replace (make_timestamptz(received_at) as received_at) from log_tests;

-- ====================================================================================== counts
-- Per source, type and hour of arrival. The kinds that a conversion carried, its warnings and its
-- dropped fields are counted by name; a dropped list element counts for its list.

create macro hour_of(instant) as date_trunc('hour', instant);

create table counted_names as
with named as (
  select *, hour_of(received_at) as hour,
    list_transform(dropped, lambda f: regexp_replace(f, '\[\d+\]', '', 'g')) as fields,
    if(outcome = 'attributed', [matched_on], []) as winners
  from expected_conversions_final),
long as (
  select *, unnest(
    list_transform(carries, lambda n: {counter: 'carries', name: n})
    || list_transform(winners, lambda n: {counter: 'matched_on', name: n})
    || list_transform(fields, lambda n: {counter: 'dropped', name: n})
    || list_transform(warnings, lambda n: {counter: 'warnings', name: n}), recursive := true)
  from named)
select advertiser_id, event_source_id, event_type, hour,
  histogram(name) filter (counter = 'carries') as carries,
  histogram(name) filter (counter = 'matched_on') as matched_on,
  histogram(name) filter (counter = 'dropped') as dropped,
  histogram(name) filter (counter = 'warnings') as warnings
from long group by all;

create table counted_conversions as
select advertiser_id, event_source_id, event_type, hour_of(received_at) as hour,
  count(*) filter (outcome = 'observed') as observed,
  count(*) filter (outcome = 'attributed') as attributed,
  count(*) filter (outcome = 'unattributed') as unattributed,
  count(*) filter (reason = 'no_identifier') as no_identifier,
  count(*) filter (reason = 'too_old') as too_old,
  count(*) filter (reason = 'no_touchpoint') as no_touchpoint,
  count(*) filter (touch_type = 'click') as click_through,
  count(*) filter (touch_type = 'view') as view_through,
  count(*) filter (is_probabilistic) as probabilistic,
  count(*) filter (is_limited) as limited,
  sum(match_quality::decimal(13,12)) as quality_sum
from expected_conversions_final group by all;

create table expected_match_stats as
with counted as (
  from log_received
  union all by name
  select advertiser_id, event_source_id, event_type, hour_of(received_at) as hour,
    sum(events) as test
  from expected_test_events group by all
  union all by name
  select advertiser_id, event_source_id, event_type, hour_of(received_at) as hour,
    sum(events) as rejected
  from expected_rejections where stream = 'events' group by all
  union all by name
  select advertiser_id, event_source_id, event_type, hour_of(received_at) as hour,
    count(*) as duplicate, count(*) filter (is_changed) as duplicate_changed
  from expected_duplicates group by all
  union all by name
  from counted_conversions
  union all by name
  from counted_names)
select advertiser_id, event_source_id, event_type, hour,
  coalesce(sum(received), 0)::bigint as received, coalesce(sum(test), 0)::bigint as test,
  coalesce(sum(rejected), 0)::bigint as rejected, coalesce(sum(duplicate), 0)::bigint as duplicate,
  coalesce(sum(duplicate_changed), 0)::bigint as duplicate_changed,
  coalesce(sum(observed), 0)::bigint as observed,
  coalesce(sum(attributed), 0)::bigint as attributed,
  coalesce(sum(unattributed), 0)::bigint as unattributed,
  coalesce(sum(no_identifier), 0)::bigint as no_identifier,
  coalesce(sum(too_old), 0)::bigint as too_old,
  coalesce(sum(no_touchpoint), 0)::bigint as no_touchpoint,
  coalesce(sum(click_through), 0)::bigint as click_through,
  coalesce(sum(view_through), 0)::bigint as view_through,
  coalesce(sum(probabilistic), 0)::bigint as probabilistic,
  coalesce(any_value(carries), map())::map(varchar, bigint) as carries,
  coalesce(any_value(matched_on), map())::map(varchar, bigint) as matched_on,
  coalesce(any_value(dropped), map())::map(varchar, bigint) as dropped,
  coalesce(any_value(warnings), map())::map(varchar, bigint) as warnings,
  coalesce(sum(quality_sum), 0)::decimal(38,12) as quality_sum, coalesce(sum(limited), 0)::bigint as limited
from counted group by all;

-- Impressions and clicks are deduplicated like events, by advertiser, impression and type.

create table record_copies as
select *, row_number() over (
    partition by advertiser_id, impression_id, type
    order by received_at, source_partition, source_offset) as copy
from log_impressions;

create table counted_records as
with recursive holder as (
  select advertiser_id, impression_id, type, copy, received_at from record_copies where copy = 1
  union all
  select advertiser_id, impression_id, type, min(later.copy), min(later.received_at)
  from holder join record_copies as later using (advertiser_id, impression_id, type)
  cross join policy
  where later.copy > 1 and later.copy > holder.copy
    and later.received_at >= holder.received_at + dedup_window
  group by all)
select advertiser_id, impression_id, type, copy from holder;

create view judged_records as
select record_copies.*, counted_records.copy is not null as is_counted
from record_copies
left join counted_records using (advertiser_id, impression_id, type, copy);

create table expected_touchpoint_stats as
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type,
  hour_of(make_timestamptz(time)) as hour, count(*) filter (is_counted) as records,
  count(*) filter (not is_counted) as duplicates,
  coalesce(sum(spend) filter (is_counted), 0)::decimal(38,6) as spend, currency
from judged_records group by all;

-- A repeat counts as a record until it is recognised, so these sums may still change.
create table unsettled_touchpoint_stats as
select distinct advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type,
  hour_of(make_timestamptz(time)) as hour, currency
from judged_records
where not is_counted and received_at >= (select settled from progress);

-- Events that were read and have no outcome yet.
create table expected_in_flight as
select advertiser_id, event_source_id, hour, sum(events)::bigint as in_flight
from (
  select advertiser_id, event_source_id, hour_of(make_timestamptz(received_at)) as hour,
    1 as events
  from log_events
  union all
  select advertiser_id, event_source_id, hour_of(received_at), -1 from expected_conversions_final
  union all
  select advertiser_id, event_source_id, hour_of(received_at), -1 from expected_duplicates)
group by all having in_flight <> 0;
