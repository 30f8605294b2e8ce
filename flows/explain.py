"""`tributary explain`: what became of an event, and which rule put every touchpoint in its place.

Reads the result file, and the log for what nearly matched. Kinds of identifiers are told, never the
identifiers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb

from attribution.vocabulary import MODELS, Outcome, Reason
from connectors.near_misses import NearMiss, Place, Rule, near_misses
from flows.recorded import Run, attach
from flows.text_table import text_table


class UnknownEventError(Exception):
    """No event of the result file has that id; the message says where else it may be."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a query, its columns as attributes."""

    cells: dict[str, Any]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the column holds
        return self.cells[name]


_CONVERSIONS: Final = """from result.conversions where event_id = $id
order by advertiser_id, event_source_id, event_type, received_at"""
_CREDITS: Final = """from result.credits where conversion_id = $id
order by type = 'click' desc, is_probabilistic, time desc, impression_id"""
_DUPLICATES: Final = """select duplicates.*, first.received_at as first_received_at
from result.duplicates join result.conversions as first using (conversion_id)
where duplicates.event_id = $id order by duplicates.received_at"""
_REJECTIONS: Final = "from result.rejected_events where event_id = $id order by received_at"
_TESTS: Final = "from result.test_events where event_id = $id order by received_at"


def explain(database: Path, event_id: str, folder: Path | None = None) -> str:
    """Explain every event of that id, with near misses where the log can be read.

    The log is looked for where the run found it, or in `folder`. Raises `UnknownEventError`, and
    `ResultError` when the file, or a folder that was named, cannot be read.
    """
    with duckdb.connect() as connection:
        attach(connection, database)
        told = [*_conversions(connection, event_id, folder), *_others(connection, event_id)]
    if not told:
        msg = f"no event with id {event_id} in {database}; ids are compared exactly as sent"
        raise UnknownEventError(msg)
    return "\n\n\n".join(told)


def _load_log(connection: duckdb.DuckDBPyConnection, folder: Path | None) -> Path | None:
    """Decode the log; give the folder it is missing from, when nobody insists on it."""
    run = Run.last_of(connection)
    if folder is None and not run.folder.is_dir():
        return run.folder
    run.load(connection, folder)
    return None


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, event_id: str) -> list[_Row]:
    answer = connection.execute(sql, {"id": event_id})
    names = [name for name, *_ in answer.description or ()]
    return [_Row(dict(zip(names, row, strict=True))) for row in answer.fetchall()]


# ------------------------------------------------------------------------------- conversions


def _conversions(
    connection: duckdb.DuckDBPyConnection, event_id: str, folder: Path | None
) -> Iterator[str]:
    conversions = _rows(connection, _CONVERSIONS, event_id)
    missing_log = _load_log(connection, folder) if conversions else None
    for conversion in conversions:
        credits_ = _rows(connection, _CREDITS, conversion.conversion_id)
        parts = [_summary(conversion, credits_)]
        if credits_:
            parts += [_candidates(conversion, credits_), _shares(conversion, credits_)]
        parts.append(
            f"Near misses: not known, for the log is not at {missing_log}"
            if missing_log
            else _near_misses(connection, conversion, credits_)
        )
        yield "\n\n".join(parts)


def _summary(conversion: _Row, credits_: list[_Row]) -> str:
    worth = "no value" if conversion.value is None else f"{conversion.value} {conversion.currency}"
    carried = ", ".join(conversion.carries) or "no identifier"
    lines = [
        _title(conversion),
        f"  happened   {_instant(conversion.event_time)}",
        f"  received   {_instant(conversion.received_at)}, {_place(conversion)}",
        f"  worth      {worth}",
        f"  carried    {carried} (match quality {conversion.match_quality:.2f})",
        f"  outcome    {_outcome(conversion, credits_)}",
    ]
    if not conversion.is_final:
        lines.append("  so far     provisional: late touchpoints may still change it")
    return "\n".join(lines)


def _title(event: _Row) -> str:
    source = event.event_source_id or "an unknown source"
    return f"{event.event_type or 'event'} {event.event_id} of {event.advertiser_id}/{source}"


def _place(event: _Row) -> str:
    index = "" if event.source_index is None else f" event {event.source_index}"
    return f"{event.source_partition} line {event.source_offset}{index} (all from 0)"


def _outcome(conversion: _Row, credits_: list[_Row]) -> str:
    if conversion.outcome == Outcome.ATTRIBUTED:
        winner = credits_[0]
        touchpoints = "1 touchpoint" if len(credits_) == 1 else f"{len(credits_)} touchpoints"
        return (
            f"attributed to {touchpoints}; the winner is the {_touch(winner)} "
            f"{winner.impression_id} on {winner.matched_on}, "
            f"{conversion.event_time - winner.time} before the event"
        )
    if conversion.outcome == Outcome.OBSERVED:
        return f"observed: a {conversion.event_type} is kept and earns nothing"
    reason = _REASONS[Reason(conversion.reason)]
    delay = conversion.received_at - conversion.event_time
    return f"unattributed, {conversion.reason}: {reason.format(delay=delay)}"


_REASONS: Final = {
    Reason.NO_IDENTIFIER: "it carried nothing that can match",
    Reason.TOO_OLD: "it arrived {delay} after it happened, more than max_event_delay",
    Reason.NO_TOUCHPOINT: "no record that shares an identifier is eligible",
}


def _touch(credit: _Row) -> str:
    return "click" if credit.type == "click" else "view"


def _candidates(conversion: _Row, credits_: list[_Row]) -> str:
    rules = ["the winner", *(_rank_rule(above, below) for above, below in pairwise(credits_))]
    rows = [
        [
            str(rank),
            credit.impression_id,
            _touch(credit),
            f"{credit.matched_on}{' (probabilistic)' if credit.is_probabilistic else ''}",
            _instant(credit.time),
            str(conversion.event_time - credit.time),
            credit.campaign_id,
            rule,
        ]
        for rank, (credit, rule) in enumerate(zip(credits_, rules, strict=True), start=1)
    ]
    headers = [*("rank", "impression", "touch", "matched on"), "time", "before", "campaign", "rule"]
    limit = "\nmax_candidates left some out." if conversion.is_limited else ""
    return "Candidates, best first\n" + text_table(headers, rows) + limit


def _rank_rule(above: _Row, below: _Row) -> str:
    """Say why a candidate ranks below the one above it: the first criterion that differs."""
    if above.type != below.type:
        return "a view ranks below a click"
    if above.is_probabilistic != below.is_probabilistic:
        return "probabilistic ranks below certain"
    if above.time != below.time:
        return f"{above.time - below.time} earlier than the one above"
    return "same time as the one above, larger impression id"


def _shares(conversion: _Row, credits_: list[_Row]) -> str:
    path = sorted(credits_, key=lambda credit: credit.position)
    rows = [
        [str(credit.position), credit.impression_id, *(_earned(credit, model) for model in MODELS)]
        for credit in path
    ]
    unit = "" if conversion.value is None else f" and what they earn in {conversion.currency}"
    return f"Path, earliest first: shares{unit}\n" + text_table(
        ["position", "impression", *MODELS], rows
    )


def _earned(credit: _Row, model: str) -> str:
    share, value = credit.cells[model], credit.cells[f"{model}_value"]
    return f"{share:f}" if value is None else f"{share:f} = {value}"


# ------------------------------------------------------------------------------- near misses


def _near_misses(
    connection: duckdb.DuckDBPyConnection, conversion: _Row, credits_: list[_Row]
) -> str:
    place = Place(conversion.source_partition, conversion.source_offset, conversion.source_index)
    path = [credit.impression_id for credit in credits_]
    found, total = near_misses(connection, place, path=path)
    if not found:
        return "Near misses: none; no other record of the log shares an identifier"
    rows = [
        [miss.impression_id, miss.type, miss.kind, _instant(miss.time), miss.campaign_id, reason]
        for miss in found
        for reason in [_exclusion(miss, conversion)]
    ]
    shown = f", the latest {len(found)} of {total:,}" if total > len(found) else ""
    headers = ["impression", "type", "shares", "time", "campaign", "kept out because"]
    title = f"Near misses: records that share an identifier and earn nothing{shown}"
    return f"{title}\n" + text_table(headers, rows)


def _exclusion(miss: NearMiss, conversion: _Row) -> str:
    if miss.rule == "eligible":
        return _not_in_path(conversion)
    return _EXCLUSIONS[miss.rule].format(miss=miss, by=_by(miss.missed_by))


def _by(missed: timedelta | None) -> str:
    """Windows and delays are half-open: what misses by nothing stands exactly on the edge."""
    return f"{missed} too late" if missed else "exactly on the edge, which is outside"


_EXCLUSIONS: Final[dict[Rule, str]] = {
    "kind": "the policy does not match on {miss.kind}",
    "after": "it happened {miss.missed_by} after the event",
    "window": "the event is outside its window of {miss.window}: {by}",
    "late": "it arrived after the conversion had settled: {by}",
}


def _not_in_path(conversion: _Row) -> str:
    if conversion.outcome == Outcome.OBSERVED:
        return f"a {conversion.event_type} earns nothing"
    if conversion.reason == Reason.TOO_OLD:
        return "the event is too old to be attributed"
    return "more were eligible than max_candidates, and others come first"


# ------------------------------------------------------------------------------ other outcomes


def _others(connection: duckdb.DuckDBPyConnection, event_id: str) -> Iterator[str]:
    for duplicate in _rows(connection, _DUPLICATES, event_id):
        content = "different" if duplicate.is_changed else "the same"
        yield (
            f"{_title(duplicate)}\n  received   {_instant(duplicate.received_at)}\n"
            f"  outcome    duplicate, {content} content; the copy received "
            f"{_instant(duplicate.first_received_at)} counts"
        )
    for rejection in _rows(connection, _REJECTIONS, event_id):
        yield (
            f"{_title(rejection)}\n"
            f"  received   {_instant(rejection.received_at)}, {_place(rejection)}\n"
            f"  outcome    rejected, {rejection.code}: {rejection.message}"
        )
    for trial in _rows(connection, _TESTS, event_id):
        refused = "" if trial.code is None else f"; it would be refused with {trial.code}"
        yield (
            f"{_title(trial)}\n  received   {_instant(trial.received_at)}\n"
            f"  outcome    test, code {trial.test_event_code}{refused}"
        )


def _instant(instant: datetime | None) -> str:
    return "at an unknown time" if instant is None else str(instant).replace("+00:00", "Z")
