"""Describes near misses: records that share an identifier with an event, and why each failed.

The output has kinds of identifiers, never the identifiers.
"""

from datetime import timedelta
from typing import Final

import duckdb

from attribution.vocabulary import Outcome, Reason
from connectors.verify.near_misses import NearMiss, Rule, near_misses
from flows.analysis.explain.rows import Row
from flows.text import instant, text_table


def told_misses(connection: duckdb.DuckDBPyConnection, conversion: Row, credits_: list[Row]) -> str:
    """Return the latest near misses of a conversion as a table."""
    found, total = near_misses(
        connection,
        partition=conversion.source_partition,
        line=conversion.source_offset,
        index=conversion.source_index,
        path=[credit.impression_id for credit in credits_],
    )
    if not found:
        return "Near misses: none; no other record of the log shares an identifier"
    rows = [
        [miss.impression_id, miss.type, miss.kind, instant(miss.time), miss.campaign_id, reason]
        for miss in found
        for reason in [_exclusion(miss, conversion)]
    ]
    shown = f", the latest {len(found)} of {total:,}" if total > len(found) else ""
    headers = ["impression", "type", "shares", "time", "campaign", "kept out because"]
    title = f"Near misses: records that share an identifier and earn nothing{shown}"
    return f"{title}\n" + text_table(headers, rows)


def _exclusion(miss: NearMiss, conversion: Row) -> str:
    if miss.rule == "eligible":
        return _not_in_path(conversion)
    return _EXCLUSIONS[miss.rule].format(miss=miss, by=_by(miss.missed_by))


def _by(missed: timedelta | None) -> str:
    """Format by how much a record missed; zero is possible, as windows and delays are half-open."""
    return f"{missed} too late" if missed else "exactly on the edge, which is outside"


_EXCLUSIONS: Final[dict[Rule, str]] = {
    "kind": "the policy does not match on {miss.kind}",
    "after": "it happened {miss.missed_by} after the event",
    "window": "the event is outside its window of {miss.window}: {by}",
    "late": "it arrived after the conversion had settled: {by}",
}


def _not_in_path(conversion: Row) -> str:
    if conversion.outcome == Outcome.OBSERVED:
        return f"a {conversion.event_type} earns nothing"
    if conversion.reason == Reason.TOO_OLD:
        return "the event is too old to be attributed"
    if not conversion.is_final and not conversion.is_limited:
        return "it arrived after the row so far was made, and counts once the conversion settles"
    return "more were eligible than max_candidates, and others come first"
