"""The dataflow of a run: raw streams in, attributed conversions out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from attribution.columnar.frames import DecodedChunk, Rows
from attribution.policy import Policy
from connectors.state.segments import Segments
from flows.dataflow import routes
from flows.dataflow.steps import (
    CHANGE,
    Builder,
    CreditStep,
    DedupStep,
    MatchStep,
    Size,
    Step,
    built,
)


@dataclass(frozen=True, slots=True)
class Io:
    """Source and sinks of the flow, and the number of lanes and key groups.

    `watermark_interval` is in microseconds. Without `segments` state is not persisted.
    `provisional` adds results of conversions that have not settled. `dead_letters` and `publish`
    are optional sinks for refused documents and final conversions. `guard` wraps each keyed step.
    """

    source: Source[DecodedChunk]
    sink: Sink[tuple[str, Rows]]
    lanes: int
    key_groups: int
    watermark_interval: int = 0
    segments: Segments | None = None
    provisional: bool = False
    dead_letters: Sink[tuple[str, Rows]] | None = None
    publish: Sink[tuple[str, Rows]] | None = None
    guard: Callable[[Builder], Builder] = lambda build: build

    def kept(self, step: Callable[[], Step]) -> Builder:
        """Return the builder that creates the key groups of a keyed step."""
        return self.guard(built(step, self.segments))


def build_flow(io: Io, policy: Policy) -> Dataflow:
    """Wire the flow. Only each path is ordered: it is FIFO and carries its own watermarks."""
    groups = io.key_groups
    size = Size(io.lanes, groups, io.watermark_interval, io.provisional)
    flow = Dataflow("tributary")
    read = op.input("read", flow, io.source)  # lanes: bytes to typed, keyed rows

    events = op.flat_map("by_event_key", read, routes.by_key(groups, "events"))
    dedup = partial(DedupStep, "dedup", policy, stream="events", remember=CHANGE, size=size)
    deduped = op.stateful_batch("dedup", events, io.kept(dedup))  # the first copy counts

    impressions = op.flat_map("by_impression", read, routes.by_key(groups, "impressions"))
    count = partial(DedupStep, "count", policy, stream="impressions", remember=(), size=size)
    counted = op.stateful_batch("count", impressions, io.kept(count))

    records = op.flat_map("records", read, routes.records_by_match_key(groups))
    queries = op.flat_map("queries", deduped, routes.queries_by_match_key(groups, policy))
    match = partial(MatchStep, policy, size=size)
    asked = op.merge("to_match", records, queries)
    matched = op.stateful_batch("match", asked, io.kept(match))  # what may earn credit

    conversions = op.map("conversions", deduped, routes.conversions)
    found = op.flat_map("found", matched, routes.found_by_conversion(groups))
    credit = partial(CreditStep, policy, size=size)
    answered = op.merge("to_credit", conversions, found)
    credited = op.stateful_batch("credit", answered, io.kept(credit))  # who earns what

    decided = op.map("credited_rows", credited, routes.credited_rows(policy))
    rows = op.merge(
        "rows",
        op.map("read_rows", read, routes.read_rows),
        op.flat_map("event_repeats", deduped, routes.event_repeats),
        op.flat_map("impression_repeats", counted, routes.impression_repeats),
        decided,
    )
    op.output("write", op.key_on("one_writer", rows, lambda _: "database"), io.sink)
    if io.publish:
        op.output("publish", op.flat_map("settled", decided, routes.settled), io.publish)
    if io.dead_letters:
        op.output("set_aside", op.flat_map("refused", read, routes.dead_letters), io.dead_letters)
    return flow
