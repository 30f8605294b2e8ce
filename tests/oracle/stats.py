"""Sums what the job appends as deltas: events per source and hour, touchpoints per ad and hour.

It knows the counters and their keys; nothing of how an outcome came about.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from attribution.policy import Policy

from .log import Refused, Tested
from .semantics import Conversion, Event, Impression, match_quality
from .tables import Row, instant

Key: TypeAlias = tuple[Any, ...]

HOUR: Final = 3_600_000_000
MATCH_KEY: Final = ("advertiser_id", "event_source_id", "event_type", "hour")
MATCH_COUNTERS: Final = (
    "received",
    "test",
    "rejected",
    "duplicate",
    "duplicate_changed",
    "observed",
    "attributed",
    "unattributed",
    "no_identifier",
    "too_old",
    "no_touchpoint",
    "click_through",
    "view_through",
    "probabilistic",
    "limited",
)
MATCH_MAPS: Final = ("carries", "matched_on", "dropped", "warnings")
TOUCHPOINT_KEY: Final = (
    "advertiser_id",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
    "type",
    "hour",
    "currency",
)


class MatchStats:
    """Counts events per advertiser, source, type and hour of arrival."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._rows: dict[Key, Row] = {}

    def rows(self) -> list[Row]:
        """Return a row for every key under which anything was counted."""
        return [row | {name: dict(row[name]) for name in MATCH_MAPS} for row in self._rows.values()]

    def add_not_accepted(self, entry: Refused | Tested, counter: str) -> None:
        """Count a refused record or a test event; impressions and empty batches are none."""
        if entry.arrival.stream == "events" and entry.events:
            origin = entry.origin
            row = self._row(
                origin.advertiser_id,
                origin.event_source_id,
                origin.event_type,
                received_at=entry.arrival.received_at,
            )
            row["received"] += entry.events
            row[counter] += entry.events

    def add_duplicate(self, event: Event, *, is_changed: bool) -> None:
        """Count a copy of an event."""
        row = self._event_row(event)
        row["duplicate"] += 1
        row["duplicate_changed"] += is_changed

    def add_conversion(self, conversion: Conversion, policy: Policy) -> None:
        """Count a conversion, its outcome and what it carried."""
        row, record = self._event_row(conversion.event), conversion.event.record
        row[str(conversion.outcome)] += 1
        if conversion.reason is not None:
            row[str(conversion.reason)] += 1
        if conversion.winner is not None:
            winner = conversion.path[conversion.winner]
            row["click_through" if winner.is_click else "view_through"] += 1
            row["probabilistic"] += winner.is_probabilistic
            row["matched_on"][winner.matched_on] += 1
        row["limited"] += conversion.is_limited
        row["quality_sum"] += Decimal(f"{match_quality(record.carries, policy):.12f}")
        row["carries"].update(record.carries)
        row["dropped"].update(_without_places(record.dropped))
        row["warnings"].update(str(warning) for warning in record.warnings)

    def _event_row(self, event: Event) -> Row:
        row = self._row(
            event.advertiser_id,
            event.event_source_id,
            event.record.event_type,
            received_at=event.received_at,
        )
        row["received"] += 1
        return row

    def _row(self, *names: str | None, received_at: int | None) -> Row:
        key = (*names, _hour(received_at))
        if key not in self._rows:
            self._rows[key] = (
                dict(zip(MATCH_KEY, key, strict=True))
                | dict.fromkeys(MATCH_COUNTERS, 0)
                | {name: Counter() for name in MATCH_MAPS}
                | {"quality_sum": Decimal(0)}
            )
        return self._rows[key]


def _without_places(fields: Iterable[str]) -> list[str]:
    """Turn `user_match.uids[0]` into `user_match.uids`."""
    return [re.sub(r"\[\d+\]", "", name) for name in fields]


def touchpoint_rows(pairs: Iterable[tuple[Impression, Impression]]) -> list[Row]:
    """Count records, repeats and spend per ad and hour, from records and the first of each."""
    rows: dict[Key, Row] = {}
    for impression, first in pairs:
        record = impression.record
        columns = {name: getattr(record, name) for name in TOUCHPOINT_KEY if name != "hour"}
        columns["hour"] = _hour(record.time)
        key = tuple(columns[name] for name in TOUCHPOINT_KEY)
        row = rows.setdefault(key, columns | {"records": 0, "duplicates": 0, "spend": Decimal(0)})
        if impression is first:
            row["records"] += 1
            row["spend"] += record.spend or 0
        else:
            row["duplicates"] += 1
    return list(rows.values())


def _hour(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else instant(microseconds // HOUR * HOUR)
