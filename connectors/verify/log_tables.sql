-- The decoded log, the input of expected.sql. One row per record that the contract accepted, one
-- per refusal, one per test event. Instants are microseconds since 1970; received_at is the
-- effective one. The tables contain identifiers, so they exist only in a scratch database.

create table log_events (
  source_partition varchar, source_offset bigint, source_index integer, received_at bigint,
  advertiser_id varchar, event_source_id varchar, event_type varchar, custom_event_name varchar,
  event_id varchar, event_time bigint, action_source varchar, event_source_host varchar,
  event_source_url varchar, value decimal(18,6), currency varchar, order_id varchar,
  num_items bigint, content_ids varchar[], custom_data varchar, carries varchar[],
  match_keys struct(kind varchar, value varchar)[], warnings varchar[], dropped varchar[]);

create table log_impressions (
  source_partition varchar, source_offset bigint, received_at bigint, advertiser_id varchar,
  impression_id varchar, type varchar, time bigint, campaign_id varchar, media_buy_id varchar,
  package_id varchar, creative_id varchar, spend decimal(18,6), currency varchar,
  match_keys struct(kind varchar, value varchar)[]);

create table log_measurements (            -- received_at is the record's own
  source_partition varchar, source_offset bigint, source_index integer, received_at bigint,
  advertiser_id varchar, start_time bigint, end_time bigint, metric_id varchar,
  metric_value decimal(38,12), unit varchar, currency varchar, campaign_id varchar,
  media_buy_id varchar, package_id varchar, creative_id varchar, source varchar,
  source_platform varchar, source_metric_name varchar, external_row_id varchar);

create table log_rejections (
  stream varchar, source_partition varchar, source_offset bigint, source_index integer,
  advertiser_id varchar, event_source_id varchar, event_type varchar, record_id varchar,
  received_at bigint, code varchar, message varchar, field varchar, events integer);

create table log_tests (
  advertiser_id varchar, event_source_id varchar, event_type varchar, event_id varchar,
  test_event_code varchar, received_at bigint, code varchar, match_quality double,
  warnings varchar[], events integer);

create table log_received (                -- counted when the documents were opened
  advertiser_id varchar, event_source_id varchar, event_type varchar, hour timestamptz,
  received bigint);

-- The policy of the run, in microseconds.

create table policy (
  settle_delay bigint, max_event_delay bigint, dedup_window bigint, probabilistic_window bigint,
  half_life bigint, max_candidates bigint);
create table kinds (                       -- strength 1 is the strongest
  kind varchar, strength integer, weight double, is_matchable boolean);
create table windows (                     -- one row per event type
  event_type varchar, post_click bigint, post_view bigint, is_observed boolean);

-- The progress of the result. Everything received before `settled` is decided; of later records,
-- only those that the result decided early (a key group may be ahead of the others).

create table progress (settled bigint);
create table ahead (conversion_id varchar);
create table ahead_duplicates (conversion_id varchar, received_at bigint);
