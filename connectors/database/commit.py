"""One epoch's rows: they wait, and one transaction writes them under one number.

Nothing here begins or commits a transaction; the sinks do, in `snapshot` and nowhere else.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb
import pyarrow as pa

from attribution.columnar.frames import END, START, Rows

SOURCES: Final = "event_sources"
"""Of each source the rows of the last commit that has any count, and they are all its versions."""


@dataclass(slots=True)
class Epoch:
    """Rows that wait for the end of their epoch."""

    records: int = 0
    batches: dict[str, list[pa.RecordBatch]] = field(default_factory=lambda: defaultdict(list))

    def take(self, rows: Rows) -> None:
        """Let rows wait; those of an event source take the place of what was told of it before."""
        self.records += rows.records
        for table, batch in rows.tables.items():
            if table == SOURCES:
                self.batches[table] = [_without(each, batch) for each in self.batches[table]]
            self.batches[table].append(batch)

    def __bool__(self) -> bool:
        return bool(self.batches or self.records)

    def tables(self) -> dict[str, pa.Table]:
        """Return what waits, by table."""
        return {name: pa.Table.from_batches(batches) for name, batches in self.batches.items()}


@dataclass(frozen=True, slots=True)
class Commit:
    """Writes the rows of one transaction."""

    connection: duckdb.DuckDBPyConnection
    seq: int

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Append rows by table, and the counts that follow from them."""
        for name, rows in tables.items():
            if name not in COUNTED_ONLY:
                self._execute(f"insert into {name} by name select *, $seq as seq from batch", rows)
            if name in COUNTS:
                self._execute(COUNTS[name], rows)

    def note(self, records: int, *, watermark: int, settled: int, now: int | None = None) -> None:
        """Add the row of the transaction itself; START and END are no instants and become NULL.

        Without `now` (us) it counts as committed when it began.
        """
        committed_at = "now()" if now is None else f"make_timestamptz({now})"
        self._execute(f"""
            insert into commits by name
            select $seq as seq, {committed_at} as committed_at, {_instant(watermark)} as watermark,
              {records} as records, {_instant(settled)} as settled""")

    def _execute(self, sql: str, rows: pa.Table | None = None) -> None:
        # DuckDB finds it by its name. To register it, or to scan it as a table, takes longer than
        # to insert the rows of a small commit.
        batch = None if rows is None else rows.__arrow_c_stream__()  # noqa: F841
        # Put in as text: for a bound value DuckDB looks for pandas, in vain, at a millisecond each.
        self.connection.execute(sql.replace("$seq", str(self.seq)))


def _without(rows: pa.RecordBatch, later: pa.RecordBatch) -> pa.RecordBatch:
    """Leave out the rows of event sources of which there are later ones."""
    told = set(_sources(later))
    return rows.filter(pa.array([source not in told for source in _sources(rows)], pa.bool_()))


def _sources(rows: pa.RecordBatch) -> list[tuple[str, str]]:
    names = ("advertiser_id", "event_source_id")
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))


def _instant(watermark: int) -> str:
    return "null" if watermark in (START, END) else f"make_timestamptz({watermark})"


COUNTED_ONLY: Final = frozenset({"received", "touchpoint_deltas", "read_offsets"})
"""Names whose rows go in summed up only; those of `read_offsets` are the furthest of the commit."""

_BY = (
    "advertiser_id, event_source_id, event_type, time_bucket(interval 1 hour, received_at) as hour"
)


def _histogram(names: str) -> str:
    """Count the names in a list per row."""
    return f"coalesce(list_histogram(flatten(list({names}) filter (len({names}) > 0))), map())"


_DROPPED = r"list_transform(dropped, lambda field: regexp_replace(field, '\[\d+\]', '', 'g'))"
"""An index says where in the event, not which field."""

COUNTS: Final = {
    "received": "insert into match_deltas by name select *, $seq as seq from batch",
    "rejections": f"""
insert into match_deltas by name
select {_BY}, sum(events)::bigint as rejected, $seq as seq
from batch where stream = 'events' group by all""",
    "test_events": f"""
insert into match_deltas by name
select {_BY}, sum(events)::bigint as test, $seq as seq from batch group by all""",
    "duplicates": f"""
insert into match_deltas by name
select {_BY}, count(*) as duplicate, count(*) filter (is_changed) as duplicate_changed, $seq as seq
from batch group by all""",
    "conversions_final": f"""
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
  coalesce(histogram(matched_on) filter (matched_on is not null), map()) as matched_on,
  {_histogram("carries")} as carries,
  {_histogram("warnings")} as warnings,
  {_histogram(_DROPPED)} as dropped,
  sum(match_quality::decimal(13,12)) as quality_sum,
  count(*) filter (is_limited) as limited, $seq as seq
from batch group by all""",
    "touchpoint_deltas": """
insert into touchpoint_deltas by name
select advertiser_id, campaign_id, media_buy_id, package_id, creative_id, type, hour,
  sum(records)::bigint as records, sum(duplicates)::bigint as duplicates,
  sum(spend) as spend, currency, $seq as seq
from batch group by all""",
    "read_offsets": """
insert into read_offsets by name
select stream, source_partition, max(next_offset) as next_offset, $seq as seq
from batch group by all""",
}
