-- Tables that the job writes, views that an analyst reads. Times are UTC, money is DECIMAL(18,6) in
-- the currency beside it, shares are DECIMAL(10,9).
--
-- Every table is append-only and carries seq, the commit that wrote the row. There are no keys and
-- no indexes: exactly once comes from seq, and indexes of this DuckDB lose rows after a crash.
-- A column is commented where its name appears first; further down, the same name has the same
-- meaning (connectors/database/schema.py copies the comment), unless it is commented again.

-- ------------------------------------------------------------------------------------ results

create table conversions_final (
  conversion_id varchar, advertiser_id varchar, event_source_id varchar, event_type varchar,
  custom_event_name varchar, event_id varchar, event_time timestamptz, received_at timestamptz,
  action_source varchar, event_source_host varchar, value decimal(18,6), currency varchar,
  order_id varchar, num_items bigint, content_ids varchar[], custom_data json,
  outcome varchar, reason varchar, matched_on varchar, touch_type varchar,
  is_probabilistic boolean, path_length integer, seconds_to_convert double, is_limited boolean,
  carries varchar[], match_quality double, warnings varchar[], dropped varchar[],
  source_partition varchar, source_offset bigint, source_index integer, seq bigint);
comment on table conversions_final is 'Conversions that have settled; a row never changes. Read the view conversions';
comment on column conversions_final.conversion_id is 'Stable hash of the event key and of where its first copy arrived; joins conversions, credits and duplicates';
comment on column conversions_final.advertiser_id is 'Whose event, impression or click it is; nothing is ever matched across advertisers';
comment on column conversions_final.event_source_id is 'The advertiser''s pixel, app or feed that sent the event';
comment on column conversions_final.event_type is 'Type of the event as it was sent, for example purchase';
comment on column conversions_final.custom_event_name is 'Name of a custom event, as sent';
comment on column conversions_final.event_id is 'The sender''s id of the event; with advertiser, source and type the key of deduplication';
comment on column conversions_final.event_time is 'When the event happened, as the sender says';
comment on column conversions_final.received_at is 'When it arrived, never earlier than what arrived before it from the same partition';
comment on column conversions_final.action_source is 'Where the action took place: website, app, in_store, ...';
comment on column conversions_final.event_source_host is 'Lower-case host of the page the event happened on';
comment on column conversions_final.value is 'What the conversion is worth, in currency';
comment on column conversions_final.currency is 'ISO 4217 code of the money in the same row; never add up across currencies';
comment on column conversions_final.order_id is 'The advertiser''s order';
comment on column conversions_final.num_items is 'Number of items of the order';
comment on column conversions_final.content_ids is 'Products of the event';
comment on column conversions_final.custom_data is 'The event''s custom_data as JSON, after repairs';
comment on column conversions_final.outcome is 'attributed, unattributed, or observed (refund and the like: kept, earns nothing)';
comment on column conversions_final.reason is 'Why unattributed, the first that holds: no_identifier, too_old, no_touchpoint';
comment on column conversions_final.matched_on is 'Strongest kind of identifier that joined conversion and touchpoint (in a conversion: its winner)';
comment on column conversions_final.touch_type is 'Whether the winner is a click or a view';
comment on column conversions_final.is_probabilistic is 'True where nothing but IP and user agent joined conversion and touchpoint (in a conversion: its winner)';
comment on column conversions_final.path_length is 'Number of touchpoints that share the conversion; 0 when there are none';
comment on column conversions_final.seconds_to_convert is 'Seconds from the winner to the event';
comment on column conversions_final.is_limited is 'True where more touchpoints were eligible than max_candidates, so that some were left out';
comment on column conversions_final.carries is 'Kinds of identifier the event carried, strongest first; never the identifiers';
comment on column conversions_final.match_quality is '0 to 1: how well the carried kinds of identifier allow a match';
comment on column conversions_final.warnings is 'What was repaired or missed in the event; NULL where nothing was';
comment on column conversions_final.dropped is 'Fields that were dropped in the repair; NULL where none was';
comment on column conversions_final.source_partition is 'File or topic partition the record was read from';
comment on column conversions_final.source_offset is 'Line from 0, or Kafka offset, in that partition';
comment on column conversions_final.source_index is 'Position in the document''s events, from 0; NULL for a whole document';
comment on column conversions_final.seq is 'Commit that wrote the row, see commits';

create table conversions_provisional as from conversions_final limit 0;
comment on table conversions_provisional is 'What was known of conversions that had not settled, one row per revision. Read the view conversions';

create table credits_final (
  conversion_id varchar, advertiser_id varchar, event_time timestamptz, impression_id varchar,
  type varchar, time timestamptz, campaign_id varchar, media_buy_id varchar, package_id varchar,
  creative_id varchar, matched_on varchar, is_probabilistic boolean, position integer,
  path_length integer,
  last_touch decimal(10,9), first_touch decimal(10,9), linear decimal(10,9),
  time_decay decimal(10,9), position_based decimal(10,9),
  last_touch_value decimal(18,6), first_touch_value decimal(18,6), linear_value decimal(18,6),
  time_decay_value decimal(18,6), position_based_value decimal(18,6), currency varchar, seq bigint);
comment on table credits_final is 'Touchpoints of settled conversions and what each earns; a row never changes. Read the view credits';
comment on column credits_final.impression_id is 'The touchpoint: an impression together with the clicks on it';
comment on column credits_final.type is 'click or impression; a touchpoint is a click as soon as one of its records, or a shared click id, says so';
comment on column credits_final.time is 'When the touchpoint happened: its first click, else its impression';
comment on column credits_final.campaign_id is 'Campaign of the ad that was shown';
comment on column credits_final.media_buy_id is 'Media buy of the ad';
comment on column credits_final.package_id is 'Package of the ad';
comment on column credits_final.creative_id is 'Creative that was shown';
comment on column credits_final.position is 'Place in the path, 1 = earliest';
comment on column credits_final.last_touch is 'Share of the best-ranked touchpoint: clicks first, then certain matches, then the latest';
comment on column credits_final.first_touch is 'Share when the earliest touchpoint takes all';
comment on column credits_final.linear is 'Share when all touchpoints earn the same';
comment on column credits_final.time_decay is 'Share when a touchpoint''s weight halves every half_life before the event';
comment on column credits_final.position_based is 'Share when first and last earn 40 % each and those between divide the rest';
comment on column credits_final.last_touch_value is 'Money earned under last_touch; NULL when the conversion has no value';
comment on column credits_final.first_touch_value is 'Money earned under first_touch; NULL when the conversion has no value';
comment on column credits_final.linear_value is 'Money earned under linear; NULL when the conversion has no value';
comment on column credits_final.time_decay_value is 'Money earned under time_decay; NULL when the conversion has no value';
comment on column credits_final.position_based_value is 'Money earned under position_based; NULL when the conversion has no value';

create table credits_provisional as from credits_final limit 0;
comment on table credits_provisional is 'Credits of the rows of conversions_provisional, same seq. Read the view credits';

-- ------------------------------------------------------------------------------------- counts

create table match_deltas (
  advertiser_id varchar, event_source_id varchar, event_type varchar, hour timestamptz,
  received bigint default 0, test bigint default 0, rejected bigint default 0, duplicate bigint default 0, duplicate_changed bigint default 0,
  observed bigint default 0, attributed bigint default 0, unattributed bigint default 0,
  no_identifier bigint default 0, too_old bigint default 0, no_touchpoint bigint default 0,
  click_through bigint default 0, view_through bigint default 0, probabilistic bigint default 0,
  carries map(varchar, bigint) default '{}', matched_on map(varchar, bigint) default '{}', dropped map(varchar, bigint) default '{}',
  warnings map(varchar, bigint) default '{}', quality_sum decimal(38,12) default 0, limited bigint default 0, seq bigint);
comment on table match_deltas is 'Counts of events as they came in, to be added up. Read the view match_stats';
comment on column match_deltas.hour is 'Hour of received_at; NULL where a document could not be read';
comment on column match_deltas.received is 'Events read, counted when they are decoded and apart from their outcomes';
comment on column match_deltas.test is 'Events sent with a test code, valid or not';
comment on column match_deltas.rejected is 'Events refused; rejected_events tells why';
comment on column match_deltas.duplicate is 'Copies of an event already held';
comment on column match_deltas.duplicate_changed is 'Those of the duplicates whose content differs from the first copy';
comment on column match_deltas.observed is 'Conversions of a type that undoes something; kept, earn nothing';
comment on column match_deltas.attributed is 'Conversions with at least one touchpoint';
comment on column match_deltas.unattributed is 'Conversions without a touchpoint';
comment on column match_deltas.no_identifier is 'Unattributed: carried nothing that can match';
comment on column match_deltas.too_old is 'Unattributed: happened more than max_event_delay before it arrived';
comment on column match_deltas.no_touchpoint is 'Unattributed: no eligible touchpoint';
comment on column match_deltas.click_through is 'Attributed conversions whose winner is a click';
comment on column match_deltas.view_through is 'Attributed conversions whose winner is a view';
comment on column match_deltas.probabilistic is 'Attributed conversions whose winner was joined by IP and user agent only; also among clicks or views';
comment on column match_deltas.carries is 'Conversions that carried a kind of identifier, by kind';
comment on column match_deltas.matched_on is 'Attributed conversions by the kind of identifier that joined the winner';
comment on column match_deltas.dropped is 'Fields dropped in repairs of conversions, by field';
comment on column match_deltas.warnings is 'Warnings of conversions, by warning';
comment on column match_deltas.quality_sum is 'Sum of match_quality of the conversions, exact';
comment on column match_deltas.limited is 'Attributed conversions with more eligible touchpoints than max_candidates';

create table touchpoint_deltas (
  advertiser_id varchar, campaign_id varchar, media_buy_id varchar, package_id varchar,
  creative_id varchar, type varchar, hour timestamptz,
  records bigint, duplicates bigint, spend decimal(38,6), currency varchar, seq bigint);
comment on table touchpoint_deltas is 'Counts of impressions and clicks as they came in, to be added up. Read the view touchpoint_stats';
comment on column touchpoint_deltas.type is 'impression or click, as recorded';
comment on column touchpoint_deltas.hour is 'Hour of the record''s time';
comment on column touchpoint_deltas.records is 'Impressions or clicks, repeats not counted';
comment on column touchpoint_deltas.duplicates is 'Repeats of a record already counted';
comment on column touchpoint_deltas.spend is 'Sum of the prices of the records; 0 without a price';

create table credit_deltas (
  advertiser_id varchar, campaign_id varchar, media_buy_id varchar, package_id varchar,
  creative_id varchar, day date, currency varchar,
  last_touch decimal(38,9), first_touch decimal(38,9), linear decimal(38,9),
  time_decay decimal(38,9), position_based decimal(38,9),
  last_touch_value decimal(38,6), first_touch_value decimal(38,6), linear_value decimal(38,6),
  time_decay_value decimal(38,6), position_based_value decimal(38,6), seq bigint);
comment on table credit_deltas is 'Sums of credits_final per ad, day and currency, up to the commit of the highest seq. Read the view credit_sums';
comment on column credit_deltas.day is 'Day of the event in UTC';

create table overlap_deltas (
  advertiser_id varchar, campaign_id varchar, other_campaign_id varchar, conversions bigint,
  won bigint, seq bigint);
comment on table overlap_deltas is 'Counts of settled conversions by the campaigns in their paths, up to the commit of the highest seq. Read the view campaign_overlap';
comment on column overlap_deltas.other_campaign_id is 'Another campaign in the same paths, later in alphabetical order; or the campaign itself';
comment on column overlap_deltas.conversions is 'Conversions with a touchpoint of both';
comment on column overlap_deltas.won is 'Those whose winner, under last_touch, is of campaign_id; counted where both are the same';

-- ------------------------------------------------------------------- records that earn nothing

create table rejections (
  stream varchar, source_partition varchar, source_offset bigint, source_index integer,
  advertiser_id varchar, event_source_id varchar, event_type varchar, record_id varchar,
  received_at timestamptz, code varchar, message varchar, field varchar, events integer,
  seq bigint);
comment on table rejections is 'Records that were refused and why, with the place to find them; never their content';
comment on column rejections.stream is 'events, impressions or measurements';
comment on column rejections.record_id is 'event_id, impression_id or external_row_id, where it could be read';
comment on column rejections.code is 'Why it was refused, one word of a closed list';
comment on column rejections.message is 'Why it was refused, as a sentence';
comment on column rejections.field is 'The field at fault, where there is one';
comment on column rejections.events is 'Number of events, impressions or measurements the row stands for';

create table duplicates (
  advertiser_id varchar, event_source_id varchar, event_type varchar, event_id varchar,
  received_at timestamptz, conversion_id varchar, is_changed boolean, seq bigint);
comment on table duplicates is 'Later copies of an event; conversion_id is the one that counts';
comment on column duplicates.is_changed is 'True where the copy''s content differs from the first';

create table test_events (
  advertiser_id varchar, event_source_id varchar, event_type varchar, event_id varchar,
  test_event_code varchar, received_at timestamptz, code varchar, match_quality double,
  warnings varchar[], events integer, seq bigint);
comment on table test_events is 'Events sent with a test code; they appear nowhere else';
comment on column test_events.test_event_code is 'The code they were sent with';
comment on column test_events.code is 'What the event would have been refused with; NULL when it is valid';
comment on column test_events.warnings is 'What would be repaired or missed in a valid event, whenever it arrives; NULL where nothing would';

-- ------------------------------------------------------------------------------- measurements

create table measurements (
  advertiser_id varchar, measurement_id varchar, start_time timestamptz, end_time timestamptz,
  metric_id varchar, metric_value decimal(38,12), unit varchar, currency varchar,
  campaign_id varchar, media_buy_id varchar, package_id varchar, creative_id varchar,
  source varchar, source_platform varchar, source_metric_name varchar, external_row_id varchar,
  received_at timestamptz, source_partition varchar, source_offset bigint, source_index integer,
  seq bigint);
comment on table measurements is 'Aggregates that somebody else has measured, every copy and correction of them. Read the view latest_measurements';
comment on column measurements.measurement_id is 'Hash of what identifies the row: external_row_id with source and source_platform or, without one, all of its dimensions; equal for its copies and corrections';
comment on column measurements.start_time is 'Beginning of the time that was measured';
comment on column measurements.end_time is 'End of the time that was measured, itself outside';
comment on column measurements.metric_id is 'What was measured: revenue, conversions, ...';
comment on column measurements.metric_value is 'The measured value, in unit';
comment on column measurements.unit is 'currency, count, ratio or percentage';
comment on column measurements.source is 'Who measured it: advertiser, mmp or measurement_partner';
comment on column measurements.source_platform is 'Where the measurement comes from';
comment on column measurements.source_metric_name is 'What the measurer calls the metric';
comment on column measurements.external_row_id is 'The measurer''s own id of the row';
comment on column measurements.received_at is 'When it arrived, as its record says; NULL where it does not';
comment on column measurements.source_index is 'Position in the document''s measurements, from 0';

-- ------------------------------------------------------------------------------------- the job

create table event_sources (
  advertiser_id varchar, event_source_id varchar, name varchar, event_types varchar[],
  allowed_domains varchar[], value_currencies varchar[], test_event_code varchar,
  valid_from timestamptz, valid_to timestamptz, seq bigint);
comment on table event_sources is 'The registry, each version of a source by the time it held';
comment on column event_sources.name is 'Name of the source';
comment on column event_sources.event_types is 'Types the source may send; NULL for all';
comment on column event_sources.allowed_domains is 'Domains its events may come from; NULL for all';
comment on column event_sources.value_currencies is 'Currencies its values may be in; NULL for all';
comment on column event_sources.test_event_code is 'Makes every event of the source a test; NULL for none';
comment on column event_sources.valid_from is 'Events received from then on are judged by this version';
comment on column event_sources.valid_to is 'Events received before then are judged by this version';
comment on column event_sources.seq is 'Commit that wrote the row; of a source only the rows of the highest one hold';

create table late_records (
  stream varchar, source_partition varchar, first_offset bigint, last_offset bigint,
  received_at timestamptz, seq bigint);
comment on table late_records is 'Records of a run that arrived below the watermark; they count as received at the watermark';
comment on column late_records.first_offset is 'Offset of the first late record';
comment on column late_records.last_offset is 'Offset of the last late record';

create table future_records (
  stream varchar, source_partition varchar, first_offset bigint, last_offset bigint,
  read_at timestamptz, seq bigint);
comment on table future_records is 'Records of a run whose received_at was ahead of the clock when they were read; the version of their event source is that of the moment of reading';
comment on column future_records.first_offset is 'Offset of the first record that was ahead of the clock';
comment on column future_records.last_offset is 'Offset of the last record that was ahead of the clock';
comment on column future_records.read_at is 'When the records were read, by the clock of the job';

create table ignored_arrivals (
  stream varchar, source_partition varchar, first_offset bigint, records bigint, seq bigint);
comment on table ignored_arrivals is 'Records whose received_at was ahead of the clock by more than clock_skew and was therefore ignored';
comment on column ignored_arrivals.first_offset is 'Offset of the first such record: line number from 0, or Kafka offset';
comment on column ignored_arrivals.records is 'Number of such records in one chunk';

create table delayed_arrivals (
  stream varchar, source_partition varchar, source_offset bigint, received_at timestamptz,
  records bigint, seq bigint);
comment on table delayed_arrivals is 'Records of a replay that count as received more than an hour later than they say, grouped by the earlier record that caused it';
comment on column delayed_arrivals.source_offset is 'Line number (from 0) of the record that caused it';
comment on column delayed_arrivals.received_at is 'When that record counts as received; the records after it count no earlier';
comment on column delayed_arrivals.records is 'Number of records it delayed in one chunk';

create table read_offsets (
  stream varchar, source_partition varchar, next_offset bigint, seq bigint);
comment on table read_offsets is 'How far a run has read each partition, one row per commit in which it advanced; the highest seq is current';
comment on column read_offsets.next_offset is 'All records of the partition below this offset are in this result';

create table resent_records (
  stream varchar, source_partition varchar, source_offset bigint,
  rejected_partition varchar, rejected_offset bigint, seq bigint);
comment on table resent_records is 'Records that were sent again from the dead letters, each with the rejection it had before; that rejection stays';
comment on column resent_records.rejected_partition is 'Topic partition of the earlier rejection, as in rejections';
comment on column resent_records.rejected_offset is 'Offset of the earlier rejection';

create table runs (
  run_id varchar, started_at timestamptz, version varchar, policy json, inputs json,
  key_groups integer);
comment on table runs is 'Every run that wrote to this file';
comment on column runs.run_id is 'The run';
comment on column runs.started_at is 'When it started';
comment on column runs.version is 'Version of the program';
comment on column runs.policy is 'The rules it attributed by';
comment on column runs.inputs is 'What it read';
comment on column runs.key_groups is 'Number of key groups of its state';

create table commits (
  seq bigint, committed_at timestamptz, watermark timestamptz, records bigint,
  settled timestamptz);
comment on table commits is 'Transactions of the job, one row each';
comment on column commits.committed_at is 'When it was committed';
comment on column commits.watermark is 'Nothing will be received below it any more; NULL at the end of time, and while a start has not read of every lane';
comment on column commits.records is 'Records read up to it since the commit before';
comment on column commits.settled is 'Every conversion received before it is final; NULL in a replay, where all are in the end, and while it is not known';

create table database_info (
  schema_version integer, state_id varchar, created_at timestamptz, duckdb varchar);
comment on table database_info is 'What kind of file this is, in one row';
comment on column database_info.schema_version is 'Version of these tables; a program of another version leaves the file alone';
comment on column database_info.state_id is 'State directory of the live run that writes here; NULL for a replay';
comment on column database_info.created_at is 'When the file was made';
comment on column database_info.duckdb is 'Version of DuckDB that made it';

-- -------------------------------------------------------------------------------------- views

create macro sum_maps(maps) as map_from_entries(list_transform(
  list_sort(list_distinct(flatten(list_transform(maps, lambda m: map_keys(m))))),
  lambda k: {key: k, value: list_sum(list_transform(maps, lambda m: m[k]))::bigint}));
comment on macro sum_maps is 'Adds up a list of maps, key by key';

create macro utc_day(instant) as make_timestamp(epoch_us(instant))::date;
comment on macro utc_day is 'Day of an instant in UTC, whatever the time zone of the session';

-- A final row is never older than the provisional ones of the conversion. So only the final rows
-- since the oldest provisional one are looked at; a file has millions.
create view conversions as
with settled as (
  select conversion_id from conversions_final
  where seq >= (select min(seq) from conversions_provisional)
    and conversion_id in (select conversion_id from conversions_provisional)),
latest as (
  from conversions_provisional
  where conversion_id not in (from settled)
  qualify row_number() over (partition by conversion_id order by seq desc) = 1),
every_row as (
  select *, true as is_final from conversions_final
  union all
  select *, false from latest)
select conversion_id, advertiser_id, event_source_id, event_type, custom_event_name, event_id,
  event_time, received_at, action_source, event_source_host, value, currency, order_id, num_items,
  content_ids, custom_data, outcome, reason, is_final, matched_on, touch_type, is_probabilistic,
  path_length, seconds_to_convert, is_limited, carries, match_quality, warnings, dropped,
  source_partition, source_offset, source_index, seq
from every_row;
comment on view conversions is 'One row per accepted, unique event: final, or as known so far';
comment on column conversions.is_final is 'False while late touchpoints may still change the row (live only)';

create view credits as
with latest as (
  select credit.* from credits_provisional as credit
  join conversions using (conversion_id, seq) where not conversions.is_final),
every_row as (
  select *, true as is_final from credits_final
  union all
  select *, false from latest)
select conversion_id, advertiser_id, event_time, impression_id, type, time, campaign_id,
  media_buy_id, package_id, creative_id, matched_on, is_probabilistic, position, path_length,
  last_touch, first_touch, linear, time_decay, position_based,
  last_touch_value, first_touch_value, linear_value, time_decay_value, position_based_value,
  currency, is_final, seq
from every_row;
comment on view credits is 'One row per conversion and touchpoint, with its share under each model';

create view match_stats as
with summed as (
  select advertiser_id, event_source_id, event_type, hour,
    sum(received)::bigint as received, sum(test)::bigint as test,
    sum(rejected)::bigint as rejected, sum(duplicate)::bigint as duplicate,
    sum(duplicate_changed)::bigint as duplicate_changed, sum(observed)::bigint as observed,
    sum(attributed)::bigint as attributed, sum(unattributed)::bigint as unattributed,
    sum(no_identifier)::bigint as no_identifier, sum(too_old)::bigint as too_old,
    sum(no_touchpoint)::bigint as no_touchpoint, sum(click_through)::bigint as click_through,
    sum(view_through)::bigint as view_through, sum(probabilistic)::bigint as probabilistic,
    sum_maps(list(carries)) as carries, sum_maps(list(matched_on)) as matched_on,
    sum_maps(list(dropped)) as dropped, sum_maps(list(warnings)) as warnings,
    sum(quality_sum)::decimal(38,12) as quality_sum, sum(limited)::bigint as limited
  from match_deltas group by all)
select advertiser_id, event_source_id, event_type, hour, received,
  observed + attributed + unattributed as accepted, * exclude (
    advertiser_id, event_source_id, event_type, hour, received),
  received - (test + rejected + duplicate + accepted) as in_flight
from summed;
comment on view match_stats is 'What became of the events, per advertiser, source, type and hour of arrival';
comment on column match_stats.accepted is 'Conversions: observed, attributed and unattributed';
comment on column match_stats.in_flight is 'Received, outcome not yet known; 0 after a replay';

create view touchpoint_stats as
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type, hour,
  sum(records)::bigint as records, sum(duplicates)::bigint as duplicates,
  coalesce(sum(spend), 0)::decimal(38,6) as spend, currency
from touchpoint_deltas group by all;
comment on view touchpoint_stats is 'Impressions and clicks with their spend, per ad and hour';
comment on column touchpoint_stats.type is 'impression or click, as recorded';
comment on column touchpoint_stats.hour is 'Hour of the record''s time';

create view latest_measurements as
from measurements
qualify row_number() over (
  partition by measurement_id
  order by received_at desc nulls last, source_partition desc, source_offset desc,
    source_index desc) = 1;
comment on view latest_measurements is 'Measurements as last corrected: of each measurement_id the row that arrived last';

create view conservation as
select advertiser_id, event_source_id, hour, sum(received)::bigint as received,
  sum(test)::bigint as test, sum(rejected)::bigint as rejected,
  sum(duplicate)::bigint as duplicate, sum(observed)::bigint as observed,
  sum(attributed)::bigint as attributed, sum(unattributed)::bigint as unattributed,
  sum(received - test - rejected - duplicate - observed - attributed - unattributed)::bigint
    as in_flight
from match_deltas group by all;
comment on view conservation is 'Every event received ends in one outcome, per source and hour; in_flight is what is missing';
comment on column conservation.in_flight is 'Received, outcome not yet known; 0 after a replay';

create view credit_sums as
with others as (
  from credits_final where seq > (select coalesce(max(seq), 0) from credit_deltas)
  union all by name
  select * exclude (is_final) from credits where not is_final)
from credit_deltas
union all by name
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id,
  utc_day(event_time) as day, currency, last_touch, first_touch, linear, time_decay,
  position_based, last_touch_value, first_touch_value, linear_value, time_decay_value,
  position_based_value, seq
from others;
comment on view credit_sums is 'What ads earned per day and currency, in rows to be added up: the same sums as over credits, from far fewer rows';
comment on column credit_sums.day is 'Day of the event in UTC';

-- One branch per model, so that a query of one model reads only the columns of that model.
create view credits_by_model as
with long as (
  select *, 'last_touch' as model, last_touch as share, last_touch_value as attributed_value from credits
  union all
  select *, 'first_touch' as model, first_touch as share, first_touch_value as attributed_value from credits
  union all
  select *, 'linear' as model, linear as share, linear_value as attributed_value from credits
  union all
  select *, 'time_decay' as model, time_decay as share, time_decay_value as attributed_value from credits
  union all
  select *, 'position_based' as model, position_based as share, position_based_value as attributed_value from credits)
select conversion_id, advertiser_id, event_time, model, share, attributed_value, currency,
  impression_id, type, time, campaign_id, media_buy_id, package_id, creative_id, matched_on,
  is_probabilistic, position, path_length, is_final, seq
from long;
comment on view credits_by_model is 'One row per conversion, touchpoint and model, also where it earns nothing';
comment on column credits_by_model.model is 'last_touch, first_touch, linear, time_decay or position_based; choose one before adding up';
comment on column credits_by_model.share is 'Share of the conversion; 1 in all per conversion and model';
comment on column credits_by_model.attributed_value is 'Money earned, in currency; the conversion''s value in all per conversion and model';

create view credit_sums_by_model as
with long as (
  select *, 'last_touch' as model, last_touch as share, last_touch_value as attributed_value from credit_sums
  union all
  select *, 'first_touch' as model, first_touch as share, first_touch_value as attributed_value from credit_sums
  union all
  select *, 'linear' as model, linear as share, linear_value as attributed_value from credit_sums
  union all
  select *, 'time_decay' as model, time_decay as share, time_decay_value as attributed_value from credit_sums
  union all
  select *, 'position_based' as model, position_based as share, position_based_value as attributed_value from credit_sums)
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, day, currency, model,
  share, attributed_value, seq
from long;
comment on view credit_sums_by_model is 'What ads earned per day, currency and model, in rows to be added up';
comment on column credit_sums_by_model.day is 'Day of the event in UTC';
comment on column credit_sums_by_model.model is 'last_touch, first_touch, linear, time_decay or position_based; choose one before adding up';
comment on column credit_sums_by_model.share is 'Shares of conversions, added up';
comment on column credit_sums_by_model.attributed_value is 'Money earned, in currency, added up; NULL without a value';

create view campaign_overlap as
with others as (
  from credits_final where seq > (select coalesce(max(seq), 0) from overlap_deltas)
  union all by name
  select * exclude (is_final) from credits where not is_final),
touched as (
  select advertiser_id, conversion_id, campaign_id, bool_or(last_touch > 0) as has_won
  from others group by all),
parts as (
  select advertiser_id, campaign_id, other_campaign_id, conversions, won from overlap_deltas
  union all
  select advertiser_id, campaign_id, campaign_id, 1, has_won::bigint from touched
  union all
  select one.advertiser_id, one.campaign_id, other.campaign_id, 1, 0
  from touched as one join touched as other using (conversion_id)
  where one.campaign_id < other.campaign_id)
select advertiser_id, campaign_id, other_campaign_id, sum(conversions)::bigint as conversions,
  sum(won)::bigint as won
from parts group by all;
comment on view campaign_overlap is 'How many conversions campaigns take part in, alone (both columns name the same campaign) and in pairs; assisted_conversions and channel_overlap are made of it';

create view attributed_conversions as
select credit.conversion_id, credit.advertiser_id, event_source_id, event_type, custom_event_name,
  credit.event_time, model, share, attributed_value, credit.currency, impression_id, type, time,
  campaign_id, media_buy_id, package_id, creative_id, credit.matched_on, credit.is_probabilistic,
  position, credit.path_length, credit.is_final
from credits_by_model as credit join conversions using (conversion_id)
where share > 0;
comment on view attributed_conversions is 'One row per conversion, touchpoint and model under which it earns something';
comment on column attributed_conversions.share is 'Share of the conversion, above 0; 1 in all per conversion and model';

create view campaign_performance as
with delivered as (
  select advertiser_id, campaign_id, currency,
    sum(records) filter (type = 'impression') as impressions,
    sum(records) filter (type = 'click') as clicks, sum(spend) as spend
  from touchpoint_deltas group by all),
parts as (
  select advertiser_id, campaign_id, model, currency, sum(share) as conversions,
    sum(attributed_value) as value
  from credit_sums_by_model group by all
  union all by name
  select *, unnest(['last_touch', 'first_touch', 'linear', 'time_decay', 'position_based'])
    as model from delivered),
monies as (
  select advertiser_id, campaign_id, model, currency,
    coalesce(sum(impressions), 0) as impressions, coalesce(sum(clicks), 0) as clicks,
    coalesce(sum(conversions), 0) as conversions, coalesce(sum(value), 0) as value,
    coalesce(sum(spend), 0) as spend
  from parts group by all),
campaigns as (
  select advertiser_id, campaign_id, model, currency,
    sum(impressions) over campaign as impressions, sum(clicks) over campaign as clicks,
    sum(conversions) over campaign as conversions, conversions as valued_conversions, value, spend,
    sum(spend) over campaign as spend_in_all, count(currency) over campaign as currencies
  from monies window campaign as (partition by advertiser_id, campaign_id, model))
select advertiser_id, campaign_id, model, currency, impressions::bigint as impressions,
  clicks::bigint as clicks, conversions, if(currency is null, 0, valued_conversions)
    as valued_conversions, value, spend, value / nullif(spend, 0) as roas,
  if(spend < spend_in_all, null, nullif(spend, 0) / nullif(conversions, 0)) as cpa
from campaigns where currency is not null or currencies = 0;
comment on view campaign_performance is 'One row per campaign, model and currency; impressions, clicks and conversions are the campaign''s in all and repeat on each of its currencies';
comment on column campaign_performance.model is 'The model the row is computed by; choose one before adding up';
comment on column campaign_performance.currency is 'Currency of value and spend; NULL for a campaign without money';
comment on column campaign_performance.impressions is 'Impressions of the campaign';
comment on column campaign_performance.clicks is 'Clicks of the campaign';
comment on column campaign_performance.conversions is 'Shares earned, added up, whatever the currency';
comment on column campaign_performance.valued_conversions is 'Shares of conversions with a value in this currency';
comment on column campaign_performance.value is 'Money earned in this currency';
comment on column campaign_performance.spend is 'Money spent in this currency';
comment on column campaign_performance.roas is 'Return on ad spend: value by spend, both in this currency; NULL without spend';
comment on column campaign_performance.cpa is 'Spend per conversion; NULL without spend or conversion, and where there is spend in another currency too';

create view match_rates as
with summed as (
  select advertiser_id, event_source_id, event_type, sum(observed)::bigint as observed,
    sum(attributed)::bigint as attributed, sum(unattributed)::bigint as unattributed,
    sum(click_through)::bigint as click_through, sum(view_through)::bigint as view_through,
    sum(probabilistic)::bigint as probabilistic, sum(quality_sum) as quality_sum
  from match_deltas group by all)
select advertiser_id, event_source_id, event_type,
  observed + attributed + unattributed as conversions, attributed, unattributed,
  attributed / nullif(attributed + unattributed, 0) as match_rate, click_through, view_through,
  probabilistic, quality_sum / conversions as match_quality
from summed where conversions > 0;
comment on view match_rates is 'How many conversions found a touchpoint, per advertiser, source and type';
comment on column match_rates.conversions is 'Accepted, unique events';
comment on column match_rates.match_rate is 'Attributed by attributed and unattributed; NULL where all were observed';
comment on column match_rates.match_quality is 'Mean match_quality of the conversions';

create view identifier_rates as
with counted as (
  select advertiser_id, event_source_id, event_type,
    sum(observed + attributed + unattributed)::bigint as conversions
  from match_deltas group by all),
entries as (
  select advertiser_id, event_source_id, event_type, unnest(
    list_transform(map_entries(carries), lambda e: {kind: e.key, carried: e.value, matched: 0})
    || list_transform(map_entries(matched_on), lambda e:
      {kind: e.key, carried: 0, matched: e.value}), recursive := true)
  from match_deltas),
kinds as (
  select advertiser_id, event_source_id, event_type, kind, sum(carried)::bigint as carried,
    sum(matched)::bigint as matched
  from entries group by all having carried > 0)
select kinds.advertiser_id, kinds.event_source_id, kinds.event_type, kind, conversions, carried,
  carried / conversions as carry_rate, matched, matched / carried as match_rate
from kinds join counted using (advertiser_id, event_source_id, event_type);
comment on view identifier_rates is 'How often each kind of identifier is carried, and joins the winner';
comment on column identifier_rates.kind is 'Kind of identifier';
comment on column identifier_rates.conversions is 'Accepted, unique events';
comment on column identifier_rates.carried is 'Conversions that carried the kind';
comment on column identifier_rates.carry_rate is 'Carried by conversions';
comment on column identifier_rates.matched is 'Attributed conversions whose winner was joined by the kind';
comment on column identifier_rates.match_rate is 'Matched by carried';

create view unmatched_reasons as
with long as (
  select advertiser_id, event_source_id, event_type, unattributed, unnest([
    {reason: 'no_identifier', conversions: no_identifier},
    {reason: 'too_old', conversions: too_old},
    {reason: 'no_touchpoint', conversions: no_touchpoint}
  ], recursive := true) from match_stats)
select advertiser_id, event_source_id, event_type, reason,
  sum(conversions)::bigint as conversions, sum(conversions) / sum(unattributed) as share
from long group by all having sum(conversions) > 0;
comment on view unmatched_reasons is 'Why conversions found no touchpoint, per advertiser, source and type';
comment on column unmatched_reasons.conversions is 'Conversions unattributed for this reason';
comment on column unmatched_reasons.share is 'Part of the unattributed conversions';

create macro in_order(entries, positions) as if(
  positions = range(1, len(positions) + 1), entries,
  list_select(entries, list_grade_up(positions)));
comment on macro in_order is 'Entries sorted by their positions, which are 1, 2, ...; those that are sorted cost nothing';

create view journeys as
with paths as (
  select advertiser_id, conversion_id, min(time) as first_touch_time, max(time) as last_touch_time,
    list(position) as positions, list(campaign_id) as campaigns,
    list({position: position, type: type, time: time, impression_id: impression_id,
      campaign_id: campaign_id, creative_id: creative_id, matched_on: matched_on,
      is_probabilistic: is_probabilistic, last_touch: last_touch, linear: linear}) as path
  from credits group by all)
select conversion_id, advertiser_id, event_source_id, event_type, event_id, event_time, value,
  currency, path_length, in_order(campaigns, positions) as campaigns,
  in_order(path, positions) as path, first_touch_time, last_touch_time, seconds_to_convert, is_final
from conversions join paths using (advertiser_id, conversion_id);
comment on view journeys is 'One row per attributed conversion with its whole path, earliest touchpoint first';
comment on column journeys.campaigns is 'Campaigns along the path';
comment on column journeys.path is 'The touchpoints along the path';
comment on column journeys.first_touch_time is 'When the path begins';
comment on column journeys.last_touch_time is 'When the latest touchpoint happened; not always the winner';

create view rejected_events as
select advertiser_id, event_source_id, event_type, record_id as event_id, received_at, code,
  message, field, events, source_partition, source_offset, source_index, seq
from rejections where stream = 'events';
comment on view rejected_events is 'Events that were refused and why, with the place to find them';

create view data_dictionary as
with relations as (
  select table_name, 'table' as kind, comment from duckdb_tables()
  union all
  select view_name, 'view', comment from duckdb_views() where not internal)
select table_name, relations.kind, column_index as column_position, column_name, data_type,
  columns.comment as meaning, relations.comment as table_meaning
from duckdb_columns() as columns join relations using (table_name)
where not columns.internal and database_name = current_database();
comment on view data_dictionary is 'Every table and view with its columns and what they mean';
comment on column data_dictionary.table_name is 'Table or view';
comment on column data_dictionary.kind is 'table or view';
comment on column data_dictionary.column_position is 'Place of the column, from 1';
comment on column data_dictionary.column_name is 'Column';
comment on column data_dictionary.data_type is 'Type of the column';
comment on column data_dictionary.meaning is 'What the column holds';
comment on column data_dictionary.table_meaning is 'What a row of the table is';
