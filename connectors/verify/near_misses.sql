-- The records that share an identifier with one event but are not in its path, each with the rule
-- that excludes it; from the log tables, for the event at $partition, $line, $index, whose path
-- consists of the impressions $path. Identifiers are compared here and not returned.

with this as (
  from log_events cross join policy join windows using (event_type)
  where source_partition = $partition and source_offset = $line and source_index = $index),
event_keys as (
  select kind, value from (select unnest(match_keys, recursive := true) from this)),
shared as (
  select impression_id, type, campaign_id, time, received_at, kind
  from (
    select * exclude (match_keys), unnest(match_keys, recursive := true) from log_impressions
    where advertiser_id = (select advertiser_id from this))
  semi join event_keys using (kind, value)),
timed as (
  select shared.*, strength, is_matchable, this.event_time,
    this.received_at + settle_delay as settles_at,
    if(type = 'click' or kind = 'click', post_click, post_view) as allowed,
    if(kind = 'ip_ua', least(allowed, probabilistic_window), allowed) as width
  from shared join kinds using (kind) cross join this),
judged as (
  select impression_id, type, campaign_id, time, kind, strength,
    case when not is_matchable then 'kind'
      when time > event_time then 'after'
      when event_time >= time + width then 'window'
      when received_at >= settles_at then 'late'
      else 'eligible' end as rule,
    case rule when 'after' then time - event_time
      when 'window' then event_time - (time + width)
      when 'late' then received_at - settles_at end as missed_by,
    width
  from timed),
-- A record may share several kinds: it is excluded only if all are; the strongest gives the reason.
records as (
  select impression_id, type, campaign_id, make_timestamptz(time) as time,
    arg_min({kind: kind, rule: rule, missed_by: missed_by, width: width},
      (rule <> 'eligible', strength)) as why
  from judged group by all)
select impression_id, type, campaign_id, time, why.kind, why.rule,
  to_microseconds(why.missed_by), to_microseconds(why.width), count(*) over () as total
from records
where why.rule <> 'eligible' or impression_id not in (select unnest($path::varchar[]))
order by time desc, impression_id, type
limit $most
