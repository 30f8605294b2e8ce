"""Buffers the rows of one epoch, and writes them in one transaction under one number, `seq`.

This module neither begins nor commits a transaction; only the sinks do, in `snapshot`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import duckdb
import pyarrow as pa

from attribution.columnar.frames import END, START, Rows

SOURCES: Final = "event_sources"
"""A source's valid rows are those of the last commit with any; they are all of its versions."""


@dataclass(slots=True)
class Epoch:
    """The buffered rows of an epoch."""

    records: int = 0
    batches: dict[str, list[pa.RecordBatch]] = field(default_factory=lambda: defaultdict(list))

    def take(self, rows: Rows) -> None:
        """Buffer rows; those of an event source replace earlier buffered rows of that source."""
        self.records += rows.records
        for table, batch in rows.tables.items():
            if table == SOURCES:
                self.batches[table] = [_without(each, batch) for each in self.batches[table]]
            self.batches[table].append(batch)

    def __bool__(self) -> bool:
        return bool(self.batches or self.records)

    def tables(self) -> dict[str, pa.Table]:
        """Return the buffered rows, by table."""
        return {name: pa.Table.from_batches(batches) for name, batches in self.batches.items()}


@dataclass(frozen=True, slots=True)
class Commit:
    """Writes the rows of one transaction."""

    connection: duckdb.DuckDBPyConnection
    seq: int

    def write(self, tables: Mapping[str, pa.Table]) -> None:
        """Append rows by table, and the counts derived from them."""
        for name, rows in tables.items():
            if name not in COUNTED_ONLY:
                self._execute(f"insert into {name} by name select *, $seq as seq from batch", rows)
            if name in COUNTS:
                self._execute(COUNTS[name], rows)

    def note(self, records: int, *, watermark: int, settled: int, now: int | None = None) -> None:
        """Add the row of the transaction itself; START and END are not instants and become NULL.

        Without `now` (us), the commit time is that of the transaction's begin.
        """
        committed_at = "now()" if now is None else f"make_timestamptz({now})"
        self._execute(f"""
            insert into commits by name
            select $seq as seq, {committed_at} as committed_at, {_instant(watermark)} as watermark,
              {records} as records, {_instant(settled)} as settled""")

    def _execute(self, sql: str, rows: pa.Table | None = None) -> None:
        # As a stream: to scan a table takes longer than to insert the rows of a small commit. It is
        # registered, because a job that answers questions looks up no variables by name.
        if rows is not None:
            self.connection.register("batch", rows.__arrow_c_stream__())
        # Inserted as text: for a bound value DuckDB tries to import pandas, a millisecond each.
        self.connection.execute(sql.replace("$seq", str(self.seq)))


def _without(rows: pa.RecordBatch, later: pa.RecordBatch) -> pa.RecordBatch:
    """Remove the rows of event sources that have `later` ones."""
    told = set(_sources(later))
    return rows.filter(pa.array([source not in told for source in _sources(rows)], pa.bool_()))


def _sources(rows: pa.RecordBatch) -> list[tuple[str, str]]:
    names = ("advertiser_id", "event_source_id")
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))


def _instant(watermark: int) -> str:
    return "null" if watermark in (START, END) else f"make_timestamptz({watermark})"


COUNTED_ONLY: Final = frozenset({"received", "touchpoint_deltas", "read_offsets"})
"""Tables to which only aggregates are written: sums, or for `read_offsets` the maximum."""

_BY = (
    "advertiser_id, event_source_id, event_type, time_bucket(interval 1 hour, received_at) as hour"
)


def _histogram(names: str) -> str:
    """Return SQL that counts each name over lists of names."""
    return f"coalesce(list_histogram(flatten(list({names}) filter (len({names}) > 0))), map())"


_DROPPED = r"list_transform(dropped, lambda field: regexp_replace(field, '\[\d+\]', '', 'g'))"
"""Without list indexes, because dropped fields are counted by name."""

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
