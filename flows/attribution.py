"""The program's table of contents: raw streams in, attributed conversions out."""

from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from attribution.keyed import Read, Rows
from attribution.policy import Policy
from flows import routes
from flows.steps import CHANGE, CreditStep, DedupStep, MatchStep, built


@dataclass(frozen=True, slots=True)
class Io:
    """The edges of the flow, and what they fix: how many lanes read, how state is divided."""

    source: Source[Read]
    sink: Sink[tuple[str, Rows]]
    lanes: int
    key_groups: int
    watermark_interval: int = 0


def build_flow(io: Io, policy: Policy) -> Dataflow:
    """Wire the flow. Every path is FIFO and carries its watermarks; nothing else is ordered."""
    groups, size = io.key_groups, {"lanes": io.lanes, "interval": io.watermark_interval}
    flow = Dataflow("tributary")
    read = op.input("read", flow, io.source)  # lanes: bytes to typed, keyed rows

    events = op.flat_map("by_event_key", read, routes.by_key(groups, "events"))
    dedup = partial(DedupStep, policy, stream="events", remember=CHANGE, **size)
    deduped = op.stateful_batch("dedup", events, built(dedup))  # the first copy counts

    impressions = op.flat_map("by_impression", read, routes.by_key(groups, "impressions"))
    count = partial(DedupStep, policy, stream="impressions", remember=(), **size)
    counted = op.stateful_batch("count", impressions, built(count))

    records = op.flat_map("records", read, routes.records_by_match_key(groups))
    queries = op.flat_map("queries", deduped, routes.queries_by_match_key(groups, policy))
    match = partial(MatchStep, policy, groups=groups, **size)
    asked = op.merge("to_match", records, queries)
    matched = op.stateful_batch("match", asked, built(match))  # what may earn credit

    conversions = op.map("conversions", deduped, routes.conversions)
    found = op.flat_map("found", matched, routes.found_by_conversion(groups))
    credit = partial(CreditStep, policy, groups=groups, interval=io.watermark_interval)
    answered = op.merge("to_credit", conversions, found)
    credited = op.stateful_batch("credit", answered, built(credit))  # who earns what

    rows = op.merge(
        "rows",
        op.map("read_rows", read, routes.read_rows),
        op.flat_map("event_repeats", deduped, routes.event_repeats),
        op.flat_map("impression_repeats", counted, routes.impression_repeats),
        op.flat_map("credited_rows", credited, routes.credited_rows),
    )
    op.output("write", op.key_on("one_writer", rows, lambda _: "database"), io.sink)
    return flow
