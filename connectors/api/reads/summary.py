"""How many events arrived and what became of them, by hour or day, source and type."""

import json
import time
from dataclasses import dataclass
from typing import Final, Literal

from attribution.contract.times import parse_time, write_time
from attribution.ingest.problems import invalid
from connectors.api.guard import ProblemError
from connectors.api.reads.asked import AS_OF, Row, one_row
from connectors.sql.reader import Reader

Granularity = Literal["hour", "day"]

EARLIEST: Final = 0
LATEST: Final = 253_370_764_800_000_000
"""Instants (us) that may be asked for: from 1970 to the end of 9998."""

_DAY: Final = 86_400_000_000
MICROSECONDS: Final[dict[Granularity, int]] = {"hour": 3_600_000_000, "day": _DAY}

SPAN_MAX: Final[dict[Granularity, int]] = {"hour": 31 * 24, "day": 366}
"""Hours or days of one answer."""

BUCKETS_MAX: Final = 5_000
"""Rows of one answer: one per hour or day, source and type."""

COUNTS: Final = (
    *("received", "accepted", "attributed", "unattributed", "observed"),
    *("no_identifier", "too_old", "no_touchpoint", "click_through", "view_through"),
    *("probabilistic", "duplicate", "duplicate_changed", "rejected", "test", "in_flight"),
)
"""Columns of match_stats; received is accepted, duplicate, rejected, test and in_flight together,
and accepted is attributed, unattributed and observed."""


@dataclass(frozen=True, slots=True)
class Span:
    """Instants (us) on bounds of hours or days, the end itself outside."""

    start: int
    end: int
    granularity: Granularity

    @property
    def instants(self) -> tuple[str, str]:
        """Both instants as texts."""
        return write_time(self.start), write_time(self.end)


def span_of(start: str | None, end: str | None, granularity: Granularity) -> Span:
    """Return the hours or days that were asked for, or the last 24 hours; raises ProblemError."""
    size = MICROSECONDS[granularity]
    until = _instant(end, "end") if end else time.time_ns() // 1_000
    until = -(-until // size) * size
    since = _instant(start, "start") // size * size if start else max(0, until - _DAY)
    if not since < until:
        raise ProblemError(invalid("an instant before the end is expected", "start"))
    if until - since > SPAN_MAX[granularity] * size:
        message = f"at most {SPAN_MAX[granularity]} {granularity}s are answered at once"
        raise ProblemError(invalid(message, "start"))
    return Span(since, until, granularity)


def _instant(text: str, field: str) -> int:
    found = parse_time(text)
    if found is None or not EARLIEST <= found.microseconds <= LATEST:
        message = "a time of RFC 3339 with an offset is expected, such as 2026-04-26T14:00:00Z"
        raise ProblemError(invalid(message, field))
    return found.microseconds


_SUMS: Final = ", ".join(f"sum({name})::bigint as {name}" for name in COUNTS)
_BUCKET: Final = ", ".join(f"{name}: {name}" for name in COUNTS)

SQL: Final = f"""
with {AS_OF},
counted as (
  select time_bucket(to_microseconds($5), hour) as start, event_source_id, event_type, {_SUMS}
  from match_stats
  where advertiser_id = $1 and hour >= $2::timestamptz and hour < $3::timestamptz
    and ($4 is null or event_source_id in (select unnest(from_json($4, '["VARCHAR"]'))))
  group by all),
shown as (
  from counted order by start, event_source_id, event_type limit {BUCKETS_MAX}),
totals as (select {_SUMS} from counted)
select (select state from as_of) as as_of,
  (select list({{start: start, event_source_id: event_source_id, event_type: event_type,
    {_BUCKET}}} order by start, event_source_id, event_type) from shown) as buckets,
  (select {{{", ".join(f"{name}: coalesce({name}, 0)" for name in COUNTS)}}} from totals)
    as totals,
  (select count(*) from counted) > {BUCKETS_MAX} as is_truncated
"""


def summary(reader: Reader, advertiser_id: str, sources: tuple[str, ...] | None, span: Span) -> Row:
    """Return the counts of an advertiser, or of some of its sources, in a span."""
    start, end = span.instants
    named = None if sources is None else json.dumps(sources)
    found = one_row(reader, SQL, [advertiser_id, start, end, named, MICROSECONDS[span.granularity]])
    return {
        "start": start,
        "end": end,
        "granularity": span.granularity,
        "buckets": found["buckets"] or [],
        "totals": found["totals"],
        "is_truncated": found["is_truncated"],
        "as_of": found["as_of"],
    }
