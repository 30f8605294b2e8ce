"""The summary of a replay as text tables, read from its result file.

It contains counts and money of the result; the caller adds how long the replay took.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from connectors.sql.reader import open_result
from connectors.wording import counted
from flows.text import text_table

CAMPAIGNS_SHOWN: Final = 3
"""Campaigns shown per currency; campaign_performance has them all."""

_RECORDS: Final = "select coalesce(sum(records), 0)::bigint from commits"

_COUNTED: Final = {
    "received": "received",
    "attributed": "attributed",
    "  by a click": "click_through",
    "  by a view": "view_through",
    "unattributed": "unattributed",
    "  no identifier": "no_identifier",
    "  too old": "too_old",
    "  no touchpoint": "no_touchpoint",
    "observed": "observed",
    "duplicate": "duplicate",
    "rejected": "rejected",
    "test": "test",
}
"""What is counted of events, and its column in match_deltas."""

_SUMS: Final = ", ".join(f"coalesce(sum({column}), 0)::bigint" for column in _COUNTED.values())
_EVENTS: Final = f"select {_SUMS} from match_deltas"  # noqa: S608  names of our own columns

_TOUCHPOINTS: Final = """
select type, sum(records)::bigint as counted, sum(duplicates)::bigint as duplicates
from touchpoint_deltas group by type order by type desc"""

_REJECTIONS: Final = """
select stream, code, count(*) as records, sum(events)::bigint as events
from rejections group by all order by stream, records desc, code"""

_CAMPAIGNS: Final = """
from (
  select currency, advertiser_id, campaign_id, sum(last_touch)::bigint as conversions,
    sum(last_touch_value) as value
  from credits_final where currency is not null and last_touch > 0 group by all)
qualify row_number() over (
  partition by currency order by value desc, advertiser_id, campaign_id) <= $shown
order by currency, value desc, advertiser_id, campaign_id"""

_IGNORED: Final = """
select sum(records)::bigint as records, source_partition, min(first_offset) as first_offset
from ignored_arrivals group by source_partition order by records desc, source_partition"""

_DELAYED: Final = """
select sum(records)::bigint as records, source_partition, source_offset
from delayed_arrivals group by source_partition, source_offset
order by records desc, source_partition, source_offset"""

PLACES_SHOWN: Final = 3
"""Odd arrivals shown of each sort; ignored_arrivals and delayed_arrivals have them all."""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of events and touchpoints, refusals by code, and the campaigns that earned most.

    `ignored` and `delayed` are records whose arrival is odd, as (number, partition, offset).
    """

    records: int
    measurements: int
    events: dict[str, int]
    touchpoints: Rows
    rejections: Rows
    campaigns: Rows
    ignored: Rows
    delayed: Rows

    @classmethod
    def of(cls, database: Path) -> "Summary":
        """Read a result file; raises QueryError."""
        with open_result(database) as connection:
            [(records,)] = connection.execute(_RECORDS).fetchall()
            [(measurements,)] = connection.execute("select count(*) from measurements").fetchall()
            [counts] = connection.execute(_EVENTS).fetchall()
            return cls(
                records,
                measurements,
                dict(zip(_COUNTED, counts, strict=True)),
                connection.execute(_TOUCHPOINTS).fetchall(),
                connection.execute(_REJECTIONS).fetchall(),
                connection.execute(_CAMPAIGNS, {"shown": CAMPAIGNS_SHOWN}).fetchall(),
                connection.execute(_IGNORED).fetchall(),
                connection.execute(_DELAYED).fetchall(),
            )

    @property
    def attributed_share(self) -> float | None:
        """The attributed share of the conversions that could be attributed; None if none could."""
        attributed = self.events["attributed"]
        conversions = attributed + self.events["unattributed"]
        return attributed / conversions if conversions else None

    def lines(self, seconds: float) -> Iterator[str]:
        """Yield the lines of the summary, with the throughput."""
        pace = f"{seconds:.1f} s, {self.records / seconds:,.0f} per second"
        yield f"{counted(self.records, 'record')} in {pace}"
        if self.attributed_share is not None:
            yield f"{self.attributed_share:.1%} of the conversions are attributed"
        if self.measurements:
            yield f"{counted(self.measurements, 'measurement')} stored"
        yield from self._odd_arrivals()
        outcomes = [(name, count) for name, count in self.events.items() if count]
        yield from _table(["event", "count"], outcomes)
        yield from _table(["touchpoint", "count", "duplicate"], self.touchpoints)
        yield from _table(["rejected from", "because", "records", "events"], self.rejections)
        yield from _table(
            ["currency", "advertiser", "campaign", "won by last touch", "value"], self.campaigns
        )

    def _odd_arrivals(self) -> Iterator[str]:
        if self.ignored:
            yield (
                f"{_number(self.ignored)} with a received_at ahead of the clock by more than "
                f"clock_skew, which does not count: first at {_places(self.ignored)}"
            )
        if self.delayed:
            yield (
                f"{_number(self.delayed)} moved to a received_at more than an hour later, that of "
                f"{_places(self.delayed)}"
            )


def _number(rows: Rows) -> str:
    return counted(sum(row[0] for row in rows), "record")


def _places(rows: Rows) -> str:
    places = [f"{partition} line {offset}" for _, partition, offset in rows[:PLACES_SHOWN]]
    more = len(rows) - len(places)
    return "; ".join(places) + (f"; and {more:,} more" if more else "") + " (lines from 0)"


def _table(headers: list[str], rows: Rows) -> Iterator[str]:
    if rows:
        yield ""
        yield text_table(headers, ([_cell(value) for value in row] for row in rows))


def _cell(value: Any) -> str:  # noqa: ANN401  a cell of any query
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
