"""Routing: frames from each step to the key groups of the next step, and rows to the sinks.

The engine's key is the name of a key group, from `placement.key_of`. Every frame carries the
watermark of its origin, so an empty frame is sent too.
"""

from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import timestamps, values
from attribution.columnar.frames import DEAD_LETTERS, END, START, DecodedChunk, Frame, Rows
from attribution.columnar.key_groups import split
from attribution.credit import Credited, Decided
from attribution.match import Found, match_queries
from attribution.policy import Policy
from attribution.vocabulary import STREAMS
from connectors.decoding.counts import touchpoint_counts
from flows.dataflow.placement import key_of
from flows.dataflow.steps import Advance

Keyed = tuple[str, Frame]
Advanced = tuple[str, Advance]


def by_key(groups: int, stream: str) -> Callable[[DecodedChunk], Iterable[Keyed]]:
    """Send the rows of a stream that DEDUP counts once to the groups of their keys."""

    def route(read: DecodedChunk) -> Iterable[Keyed]:
        if read.stream == stream:
            for group, rows in enumerate(split(read.rows.get("unique"), groups, by="key")):
                frame = Frame(stream, read.lane, read.watermark, _named(unique=rows))
                yield key_of(group), frame

    return route


def records_by_match_key(groups: int) -> Callable[[DecodedChunk], Iterable[Keyed]]:
    """Send each impression and click to the groups of its match keys."""

    def route(read: DecodedChunk) -> Iterable[Keyed]:
        if read.stream == "impressions":
            clicks = split(read.rows.get("clicks"), groups, by="key_high")
            views = split(read.rows.get("views"), groups, by="key_high")
            for group in range(groups):
                rows = _named(clicks=clicks[group], views=views[group])
                yield key_of(group), Frame(read.stream, read.lane, read.watermark, rows)

    return route


def queries_by_match_key(groups: int, policy: Policy) -> Callable[[Advanced], Iterable[Keyed]]:
    """Send the match keys of conversions to their groups."""

    def route(deduped: Advanced) -> Iterable[Keyed]:
        origin, advance = deduped
        asked = advance.result and match_queries(advance.result.firsts, policy)
        for group, rows in enumerate(split(asked, groups, by="key_high")):
            frame = Frame("queries", int(origin), advance.watermark, _named(queries=rows))
            yield key_of(group), frame

    return route


def conversions(deduped: Advanced) -> Keyed:
    """Send first copies on to the same group: CREDIT is keyed by event key, as DEDUP is."""
    group, advance = deduped
    rows = advance.result and advance.result.firsts
    return group, Frame("conversions", 0, advance.watermark, _named(conversions=rows))


def found_by_conversion(groups: int) -> Callable[[Advanced], Iterable[Keyed]]:
    """Send the records that MATCH found to the groups of their conversions."""

    def route(matched: Advanced) -> Iterable[Keyed]:
        origin, advance = matched
        answers = advance.result or Found(None, None)
        final = split(answers.final, groups, by="conversion_high")
        provisional = split(answers.provisional, groups, by="conversion_high")
        for group in range(groups):
            rows = _named(final=final[group], provisional=provisional[group])
            yield key_of(group), Frame("found", int(origin), advance.watermark, rows)

    return route


def _named(**rows: pa.RecordBatch | None) -> dict[str, pa.RecordBatch]:
    return {name: batch for name, batch in rows.items() if batch is not None}


def read_rows(read: DecodedChunk) -> Rows:
    """Return the rows that are final when they are read, without dead letters."""
    tables = {name: rows for name, rows in read.tables.items() if name != DEAD_LETTERS}
    watermarks = {(read.stream, read.lane): read.watermark} if read.stream in STREAMS else {}
    return Rows(tables, read.records, watermarks)


def dead_letters(read: DecodedChunk) -> Iterable[tuple[str, Rows]]:
    """Yield refused documents, for the sink of dead letters."""
    if DEAD_LETTERS in read.tables:
        yield DEAD_LETTERS, Rows({DEAD_LETTERS: read.tables[DEAD_LETTERS]})


def settled(rows: Rows) -> Iterable[tuple[str, Rows]]:
    """Yield final attributed conversions, for the publishing sink."""
    if "credits_final" in rows.tables:
        yield "publisher", rows


def event_repeats(deduped: Advanced) -> Iterable[Rows]:
    """Yield a row for each repeat of an event."""
    result = deduped[1].result
    if result is not None and result.repeats.num_rows:
        repeats = result.repeats
        named = ("advertiser_id", "event_source_id", "event_type", "event_id")
        columns = {name: repeats[name] for name in named} | {
            "received_at": timestamps(values(repeats, "received_at")),
            "conversion_id": result.holders["conversion_id"],
            "is_changed": pc.not_equal(repeats["digest"], result.holders["digest"]),
        }
        yield Rows({"duplicates": pa.RecordBatch.from_pydict(columns)})


def impression_repeats(counted: Advanced) -> Iterable[Rows]:
    """Yield corrections: impressions are counted when they are read, and repeats subtracted."""
    result = counted[1].result
    if result is not None and result.repeats.num_rows:
        counts = touchpoint_counts(result.repeats, records=-1, duplicates=1, paid=-1)
        yield Rows({"touchpoint_deltas": counts})


def credited_rows(policy: Policy) -> Callable[[Advanced], Rows]:
    """Return a route of conversions and credits, with the watermark up to which they are final."""

    def rows(credited: Advanced) -> Rows:
        group, advance = credited
        decided = advance.result or Decided(None, None)
        tables = _results("final", decided.final) | _results("provisional", decided.provisional)
        settled = advance.watermark
        if settled not in (START, END):
            settled -= policy.settle_delay
        return Rows(tables, watermarks={("credit", int(group)): settled})

    return rows


def _results(stage: str, credited: Credited | None) -> dict[str, pa.RecordBatch]:
    if credited is None:
        return {}
    rows = {f"conversions_{stage}": credited.conversions, f"credits_{stage}": credited.credits}
    return _named(**rows)
