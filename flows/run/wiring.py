"""One process of a continuous run, composed: what it reads, where its state lies, its dataflow."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self
from uuid import uuid4

from bytewax.dataflow import Dataflow

from connectors import metrics
from connectors.database.in_place import InPlace
from connectors.database.live_sink import LiveDatabaseSink
from connectors.database.runs import Start
from connectors.lanes.alignment import Alignment
from connectors.lanes.rules import Rules
from connectors.lanes.source import LiveSource
from connectors.state.directory import StateDir
from flows.dataflow.flow import Io, build_flow
from flows.run.guards import ExitOnErrorSink, ExitOnErrorSource, Source, ending
from flows.run.inputs import Inputs, inputs_of
from flows.run.job import PreparedRun, RunOptions, clock
from flows.run.live_sql import live_sql


@dataclass(frozen=True, slots=True)
class Wiring:
    """The parts of a process. It ends its lanes once `stopping` returns true."""

    job: RunOptions
    prepared: PreparedRun
    inputs: Inputs
    state: StateDir
    stopping: Callable[[], bool]

    @classmethod
    def of(cls, job: RunOptions, prepared: PreparedRun, stopping: Callable[[], bool]) -> Self:
        """Decide what the options mean, once for the whole process."""
        return cls(job, prepared, inputs_of(job), StateDir(job.state), stopping)

    def source(self) -> LiveSource:
        """Return the lanes that read the files of the folder as they grow, or the topics."""
        facts, flow = self.prepared.facts, self.job.settings.settings.flow
        rules = Rules(
            policy=facts.policy,
            registry=self.prepared.registry,
            clock=clock,
            idle_grace=flow.idle_grace,
            watermark_interval=flow.watermark_interval,
            salts=facts.salts,
            on_read=metrics.read,
            dead_letters=self.inputs.limit(),
            follow=self.inputs.follow(self.state),
        )
        alignment = Alignment.through(self.state.alignment_file, facts.lanes)
        intakes = self.inputs.intakes(facts.lanes)
        return LiveSource(intakes, facts.lanes, rules, self.stopping, alignment)

    def flow(self, source: Source) -> Dataflow:
        """Build the dataflow over some source."""
        return build_flow(self.io(source), self.prepared.facts.policy)

    def io(self, source: Source) -> Io:
        """Return the edges of the dataflow."""
        facts = self.prepared.facts
        dead_letters = self.inputs.dead_letters(self.stopping)
        publish = self.inputs.publish(self.stopping)
        lasting = InPlace.of(self.state.lasting)
        reading = partial(live_sql, self.job.settings.settings.live_sql)
        result = LiveDatabaseSink(
            self.job.database, self._start(), clock, lasting, reading, self.job.publication
        )
        return Io(
            ExitOnErrorSource(source),
            ExitOnErrorSink(result),
            lanes=facts.lanes,
            key_groups=facts.key_groups,
            watermark_interval=self.job.settings.settings.flow.watermark_interval,
            segments=self.state.segments,
            provisional=True,
            dead_letters=dead_letters and ExitOnErrorSink(dead_letters),
            publish=publish and ExitOnErrorSink(publish),
            guard=ending,
        )

    def _start(self) -> Start:
        facts = self.prepared.facts
        return Start(
            run_id=uuid4().hex,
            state_id=facts.state_id,
            policy=facts.policy,
            registry=self.prepared.registry,
            inputs={**self.prepared.inputs, "allow_unregistered": self.job.allow_unregistered},
            lanes=facts.lanes,
            key_groups=facts.key_groups,
        )
