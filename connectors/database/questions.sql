-- Views for the questions that come up again and again, one each. They read the tables and views of
-- schema.sql. Conversions that have not settled count as known so far. A value stays in its
-- currency: no sum and no ratio mixes two.

create view daily_performance as
with delivered as (
  select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, utc_day(hour) as day,
    currency, sum(records) filter (type = 'impression') as impressions,
    sum(records) filter (type = 'click') as clicks, sum(spend) as spend
  from touchpoint_deltas group by all),
parts as (
  select advertiser_id, campaign_id, media_buy_id, package_id, creative_id,
    day, model, currency, sum(share) as conversions, sum(attributed_value) as value
  from credit_sums_by_model group by all
  union all by name
  select *, unnest(['last_touch', 'first_touch', 'linear', 'time_decay', 'position_based'])
    as model from delivered),
monies as (
  select advertiser_id, currency as money from conversions_final where value is not null
  union
  select advertiser_id, currency from conversions_provisional where value is not null
  union
  select advertiser_id, currency from touchpoint_deltas where currency is not null),
added as (
  select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, day, model,
    money as currency, coalesce(sum(impressions), 0)::bigint as impressions,
    coalesce(sum(clicks), 0)::bigint as clicks, coalesce(sum(conversions), 0) as conversions,
    coalesce(sum(conversions) filter (currency = money), 0) as valued_conversions,
    coalesce(sum(value) filter (currency = money), 0) as value,
    coalesce(sum(spend) filter (currency = money), 0) as spend,
    coalesce(bool_or(spend > 0 and currency <> money), false) as has_other_spend
  from parts left join monies using (advertiser_id)
  group by all)
select * exclude (has_other_spend), clicks / nullif(impressions, 0) as ctr,
  if(has_other_spend, null, nullif(spend, 0) / nullif(conversions, 0)) as cpa,
  value / nullif(spend, 0) as roas
from added;
comment on view daily_performance is 'One row per ad, day, model and currency of the advertiser; choose a model and a currency before adding up, because impressions, clicks and conversions repeat on each';
comment on column daily_performance.day is 'Day in UTC: of an impression or click when it happened, of a conversion when its event happened';
comment on column daily_performance.currency is 'Each currency in which the advertiser has values or prices, so that a filter on one keeps all impressions, clicks and conversions; NULL where there is no money at all';
comment on column daily_performance.impressions is 'Impressions of the ad on the day';
comment on column daily_performance.clicks is 'Clicks of the ad on the day';
comment on column daily_performance.conversions is 'Shares earned by the ad in conversions of the day, added up, whatever the currency';
comment on column daily_performance.ctr is 'Click-through rate: clicks by impressions of the day; NULL without impressions';

create view model_comparison as
select advertiser_id, campaign_id, currency, sum(last_touch) as last_touch,
  sum(first_touch) as first_touch, sum(linear) as linear, sum(time_decay) as time_decay,
  sum(position_based) as position_based, sum(last_touch_value) as last_touch_value,
  sum(first_touch_value) as first_touch_value, sum(linear_value) as linear_value,
  sum(time_decay_value) as time_decay_value, sum(position_based_value) as position_based_value
from credit_sums group by all;
comment on view model_comparison is 'What a campaign earns under each model, side by side, per currency; each conversion is in the rows of one currency';
comment on column model_comparison.currency is 'Currency of the values; NULL for conversions without a value';
comment on column model_comparison.last_touch is 'Conversions under last_touch: shares, added up';
comment on column model_comparison.first_touch is 'Conversions under first_touch: shares, added up';
comment on column model_comparison.linear is 'Conversions under linear: shares, added up';
comment on column model_comparison.time_decay is 'Conversions under time_decay: shares, added up';
comment on column model_comparison.position_based is 'Conversions under position_based: shares, added up';
comment on column model_comparison.last_touch_value is 'Money earned under last_touch';
comment on column model_comparison.first_touch_value is 'Money earned under first_touch';
comment on column model_comparison.linear_value is 'Money earned under linear';
comment on column model_comparison.time_decay_value is 'Money earned under time_decay';
comment on column model_comparison.position_based_value is 'Money earned under position_based';

create view time_to_convert as
with counted as (
  select advertiser_id, event_type, touch_type, count(*) as total,
    quantile_cont(seconds_to_convert, [0.5, 0.9]) as marks, [
      count(*) filter (seconds_to_convert < 60),
      count(*) filter (seconds_to_convert < 600),
      count(*) filter (seconds_to_convert < 3600),
      count(*) filter (seconds_to_convert < 21600),
      count(*) filter (seconds_to_convert < 86400),
      count(*) filter (seconds_to_convert < 259200),
      count(*) filter (seconds_to_convert < 604800),
      count(*) filter (seconds_to_convert < 1209600),
      count(*) filter (seconds_to_convert < 2592000),
      count(*)] as below
  from conversions where outcome = 'attributed' group by all),
buckets(bucket_order, bucket, from_seconds, to_seconds) as (
  values (1, 'under 1 minute', 0, 60), (2, '1 to 10 minutes', 60, 600),
    (3, '10 to 60 minutes', 600, 3600), (4, '1 to 6 hours', 3600, 21600),
    (5, '6 to 24 hours', 21600, 86400), (6, '1 to 3 days', 86400, 259200),
    (7, '3 to 7 days', 259200, 604800), (8, '7 to 14 days', 604800, 1209600),
    (9, '14 to 30 days', 1209600, 2592000), (10, '30 days and more', 2592000, null))
select advertiser_id, event_type, touch_type, bucket_order, bucket, from_seconds, to_seconds,
  below[bucket_order] - coalesce(below[bucket_order - 1], 0) as conversions,
  below[bucket_order] / total as cumulative_share,
  marks[1] as median_seconds, marks[2] as p90_seconds
from counted cross join buckets;
comment on view time_to_convert is 'How long it takes from the winning touchpoint to the conversion: all buckets, also empty ones, per advertiser, type and touch type';
comment on column time_to_convert.bucket_order is 'Sorts the buckets, 1 = shortest';
comment on column time_to_convert.bucket is 'The bucket in words';
comment on column time_to_convert.from_seconds is 'Shortest time in the bucket';
comment on column time_to_convert.to_seconds is 'End of the bucket, itself outside; NULL for the last';
comment on column time_to_convert.conversions is 'Attributed conversions in the bucket';
comment on column time_to_convert.cumulative_share is 'Part of the attributed conversions in this bucket and those before';
comment on column time_to_convert.median_seconds is 'Half of the attributed conversions took no longer; the same on all buckets';
comment on column time_to_convert.p90_seconds is '90 % of the attributed conversions took no longer; the same on all buckets';

create view frequency as
select advertiser_id, event_type, path_length, if(value is null, null, currency) as currency,
  count(*) as conversions, sum(value) as value
from conversions where outcome = 'attributed' group by all;
comment on view frequency is 'How many touchpoints a conversion takes: conversions and value by length of the path; each conversion is in one row';
comment on column frequency.path_length is 'Number of touchpoints in the path';
comment on column frequency.currency is 'Currency of value; NULL for the conversions without a value';
comment on column frequency.conversions is 'Attributed conversions with a path of this length';
comment on column frequency.value is 'Their value';

create view assisted_conversions as
select advertiser_id, campaign_id, won, conversions - won as assisted,
  assisted / nullif(won, 0) as assist_ratio
from campaign_overlap where campaign_id is not distinct from other_campaign_id;
comment on view assisted_conversions is 'Campaigns that win conversions, and those that take part without winning';
comment on column assisted_conversions.won is 'Conversions whose winner, under last_touch, is of the campaign';
comment on column assisted_conversions.assisted is 'Conversions with a touchpoint of the campaign, and the winner of another';
comment on column assisted_conversions.assist_ratio is 'Assisted by won: above 1 the campaign assists more than it wins; NULL where it wins nothing';

create view channel_overlap as
with campaigns as (
  select advertiser_id, campaign_id, conversions from campaign_overlap
  where campaign_id = other_campaign_id),
pairs as (from campaign_overlap where campaign_id <> other_campaign_id)
select pairs.advertiser_id, pairs.campaign_id, other_campaign_id, one.conversions,
  other.conversions as other_conversions, pairs.conversions as conversions_with_both,
  pairs.conversions / (one.conversions + other.conversions - pairs.conversions) as overlap
from pairs
join campaigns as one
  on (one.advertiser_id, one.campaign_id) = (pairs.advertiser_id, pairs.campaign_id)
join campaigns as other
  on (other.advertiser_id, other.campaign_id) = (pairs.advertiser_id, pairs.other_campaign_id);
comment on view channel_overlap is 'Pairs of campaigns that meet in one path, each pair once; touchpoints without a campaign are in no pair';
comment on column channel_overlap.campaign_id is 'First campaign of the pair, in alphabetical order';
comment on column channel_overlap.other_campaign_id is 'Second campaign of the pair';
comment on column channel_overlap.conversions is 'Conversions with a touchpoint of the first campaign';
comment on column channel_overlap.other_conversions is 'Conversions with a touchpoint of the second campaign';
comment on column channel_overlap.conversions_with_both is 'Conversions with touchpoints of both';
comment on column channel_overlap.overlap is 'With both, by conversions with at least one of them';

-- A conversion repeats another source if that source had its event_id before or, if it never has
-- that event_id, its order_id. Ids that two sources have are found by hash, which is quick and may
-- find too many; only the conversions with one of those are compared. Each is compared with the
-- first of the other source alone, so an id that everything has costs no more than others.
create view source_overlap as
with shared_events as (
  select advertiser_id, hash(event_type, custom_event_name, event_id) as h from conversions
  group by all having min(hash(event_source_id)) < max(hash(event_source_id))),
shared_orders as (
  select advertiser_id, hash(event_type, custom_event_name, order_id) as h from conversions
  where order_id is not null
  group by all having min(hash(event_source_id)) < max(hash(event_source_id))),
found as (
  select conversions.*, event_id as id, true as is_event
  from conversions join shared_events on conversions.advertiser_id = shared_events.advertiser_id
    and hash(event_type, custom_event_name, event_id) = h
  union all
  select conversions.*, order_id, false
  from conversions join shared_orders on conversions.advertiser_id = shared_orders.advertiser_id
    and hash(event_type, custom_event_name, order_id) = h
  where order_id is not null),
sightings as (
  select conversion_id, advertiser_id, event_source_id, event_type,
    coalesce(custom_event_name, '') as name, id, is_event, (received_at, conversion_id) as arrival,
    value, currency, outcome = 'attributed' as is_attributed from found),
firsts as (
  select advertiser_id, event_type, name, id, is_event, event_source_id as other_source,
    min(arrival) as first, min(arrival) filter (is_attributed) as first_attributed
  from sightings group by all),
compared as (
  select sightings.*, other_source, coalesce(first < arrival, false) as is_repeat,
    is_attributed and coalesce(first_attributed < arrival, false) as is_attributed_twice,
    bool_or(is_event) over (partition by advertiser_id, conversion_id, other_source) as has_event
  from sightings join firsts using (advertiser_id, event_type, name, id, is_event)
  where event_source_id <> other_source)
select advertiser_id, least(event_source_id, other_source) as event_source_id,
  greatest(event_source_id, other_source) as other_source_id, event_type,
  if(value is null, null, currency) as currency, count(*) as repeats,
  count(*) filter (is_event) as by_event_id, count(*) filter (not is_event) as by_order_id,
  sum(value) as value, count(*) filter (is_attributed_twice) as attributed_twice,
  sum(value) filter (is_attributed_twice) as attributed_value
from compared where is_repeat and is_event = has_event group by all;
comment on view source_overlap is 'Pairs of sources of an advertiser that report the same, and the money that counts twice when both are added up';
comment on column source_overlap.event_source_id is 'First source of the pair, in alphabetical order';
comment on column source_overlap.other_source_id is 'Second source of the pair';
comment on column source_overlap.currency is 'Currency of value; NULL for the repeats without a value';
comment on column source_overlap.repeats is 'Conversions of one source that the other had reported before';
comment on column source_overlap.by_event_id is 'Repeats with the same event_id';
comment on column source_overlap.by_order_id is 'Repeats with the same order_id, where the other source has no such event_id';
comment on column source_overlap.value is 'Value of the repeats, which a sum over both sources counts twice';
comment on column source_overlap.attributed_twice is 'Repeats that are attributed, as is what they repeat';
comment on column source_overlap.attributed_value is 'Value of the repeats that are attributed twice';

create view source_quality as
select advertiser_id, event_source_id, event_type,
  sum(received)::bigint as received, sum(rejected)::bigint as rejected, sum(test)::bigint as test,
  sum(duplicate)::bigint as duplicate, sum(duplicate_changed)::bigint as duplicate_changed,
  sum(observed + attributed + unattributed)::bigint as accepted,
  sum(received - test - rejected - duplicate - observed - attributed - unattributed)::bigint
    as in_flight,
  sum(too_old)::bigint as too_old, sum(no_identifier)::bigint as no_identifier,
  coalesce(sum(list_sum(map_values(warnings))), 0)::bigint as warning_count,
  sum(rejected) / nullif(sum(received), 0) as rejected_rate,
  sum(duplicate) / nullif(sum(received), 0) as duplicate_rate,
  sum(too_old) / nullif(sum(observed + attributed + unattributed), 0) as too_old_rate,
  sum(no_identifier) / nullif(sum(observed + attributed + unattributed), 0) as no_identifier_rate,
  warning_count / nullif(sum(observed + attributed + unattributed), 0) as warning_rate,
  min(hour) as first_hour, max(hour) as last_hour
from match_deltas group by all;
comment on view source_quality is 'How sound the events of a source are, per type: refused, repeated, late, without identifier, repaired';
comment on column source_quality.accepted is 'Conversions: observed, attributed and unattributed';
comment on column source_quality.in_flight is 'Received, outcome not yet known; 0 after a replay';
comment on column source_quality.warning_count is 'Warnings of conversions; one conversion may have several';
comment on column source_quality.rejected_rate is 'Rejected by received';
comment on column source_quality.duplicate_rate is 'Duplicates by received';
comment on column source_quality.too_old_rate is 'Too old by accepted';
comment on column source_quality.no_identifier_rate is 'Without identifier by accepted';
comment on column source_quality.warning_rate is 'Warnings per accepted event';
comment on column source_quality.first_hour is 'Hour of the first arrival';
comment on column source_quality.last_hour is 'Hour of the latest arrival';
