"""The reference of the replay bench: batch SQL from the same raw files to conversions and credits.

Run as a whole process: `python -m benchmarks.reference FOLDER OUT.duckdb [THREADS]`. It does less
work than a replay: no validation, only click ids, uids and the hashed email, 30 days for a click or
a click id and 1 day for the rest, and three models. It prints the numbers of conversions, credits
and attributed conversions.
"""

import sys
from pathlib import Path
from typing import Final

import duckdb

_USER_MATCH: Final = (
    "STRUCT(uids STRUCT(type VARCHAR, value VARCHAR)[], hashed_email VARCHAR,"
    " click_id VARCHAR, click_id_type VARCHAR)"
)
_EVENT: Final = (
    "STRUCT(event_id VARCHAR, event_type VARCHAR, event_time TIMESTAMPTZ,"
    f" user_match {_USER_MATCH}, custom_data STRUCT(value DECIMAL(18,6), currency VARCHAR))"
)
_READ: Final = "format='newline_delimited', maximum_object_size=67108864, ignore_errors=true"

_LOAD: Final = f"""
create temp table touches as
from read_json(getvariable('impressions'), {_READ}, columns={{
  advertiser_id: 'VARCHAR', impression_id: 'VARCHAR', type: 'VARCHAR', time: 'TIMESTAMPTZ',
  campaign_id: 'VARCHAR', creative_id: 'VARCHAR', user_match: '{_USER_MATCH}'}})
where impression_id is not null;

create temp table sent as
select advertiser_id, event_source_id, received_at, unnest(events) as event
from read_json(getvariable('events'), {_READ}, columns={{
  advertiser_id: 'VARCHAR', event_source_id: 'VARCHAR', received_at: 'TIMESTAMPTZ',
  test_event_code: 'VARCHAR', events: '{_EVENT}[]'}})
where test_event_code is null;
"""

_DEDUP: Final = """
create table conversions as
select * exclude (copy),
  hash(advertiser_id, event_source_id, event_type, event_id) as conversion_id
from (
  select advertiser_id, event_source_id, received_at, unnest(event), row_number() over (
    partition by advertiser_id, event_source_id, event.event_type, event.event_id
    order by received_at) as copy
  from sent)
where copy = 1;
"""


def _keys(table: str, by_click_id: str, others: str) -> str:
    """Return SQL for one row per match key; `by_click_id` and `others` are its last columns."""
    return f"""
  select advertiser_id,
    'c:' || lower(user_match.click_id_type) || ':' || user_match.click_id as key, {by_click_id}
  from {table} where user_match.click_id is not null
  union all
  select advertiser_id, uid.type || ':' || uid.value, {others}
  from (select *, unnest(user_match.uids) as uid from {table})
  union all
  select advertiser_id, 'e:' || user_match.hashed_email, {others}
  from {table} where user_match.hashed_email is not null"""


_TOUCH: Final = "impression_id, type, time, campaign_id, creative_id"
_CONVERSION: Final = "conversion_id, event_time"
_INDEX: Final = f"""
create temp table touch_keys as
{_keys("touches", f"true as by_click, {_TOUCH}", f"false, {_TOUCH}")};
create temp table conversion_keys as {_keys("conversions", _CONVERSION, _CONVERSION)};
"""

_MATCH: Final = """
create temp table candidates as
select conversion_id, impression_id, bool_or(by_click or type = 'click') as is_click,
  min(time) as touched, any_value(campaign_id) as campaign_id, any_value(creative_id) as creative_id
from touch_keys t join conversion_keys c using (advertiser_id, key)
where time <= event_time and event_time < time
  + case when by_click or type = 'click' then interval 30 day else interval 1 day end
group by conversion_id, impression_id;
"""

_CREDIT: Final = """
create table credits as
select *, row_number() over path as position, count(*) over whole as path_length,
  (row_number() over (partition by conversion_id
    order by is_click desc, touched desc, impression_id) = 1)::int as last_touch,
  (row_number() over path = 1)::int as first_touch,
  1.0 / count(*) over whole as linear
from candidates
window path as (partition by conversion_id order by touched, impression_id),
  whole as (partition by conversion_id);
"""

_SUMMARY: Final = """
select (select count(*) from conversions), count(*), count(distinct conversion_id) from credits
"""


def run_reference(folder: Path, database: Path, *, threads: int) -> tuple[int, int, int]:
    """Fill a new database; return the numbers of conversions, credits, attributed conversions."""
    connection = duckdb.connect(str(database), config={"threads": threads})
    connection.execute("set timezone = 'UTC'")
    for stream in ("impressions", "events"):
        pattern = str(folder / f"{stream}*.ndjson")
        connection.execute(f"set variable {stream} = $1", [pattern])
    connection.execute(_LOAD + _DEDUP + _INDEX + _MATCH + _CREDIT)
    conversions, shares, attributed = connection.execute(_SUMMARY).fetchall()[0]
    connection.close()
    return conversions, shares, attributed


if __name__ == "__main__":
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    print(*run_reference(Path(sys.argv[1]), Path(sys.argv[2]), threads=threads))
