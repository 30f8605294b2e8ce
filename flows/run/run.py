"""Wires and runs a continuous run: growing input, state directory and result file."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from connectors import metrics
from connectors.database.in_place import InPlace
from connectors.database.live_sink import LiveDatabaseSink, Start
from connectors.database.ownership import database_seq
from connectors.lanes.alignment import Alignment
from connectors.lanes.source import LiveSource, Rules
from connectors.preflight.preflight import preflight
from connectors.preflight.resume import Resumable
from connectors.state.directory import StateDir
from flows.dataflow.flow import Io, build_flow
from flows.monitoring.server import check_ports, serve
from flows.monitoring.status import shown_status
from flows.process.exits import quiet_engine
from flows.process.stopping import Stopping, restore_terminal
from flows.process.supervisor import Process, Supervisor
from flows.process.tuning import forget_imports, quiet_panics, spare_searches
from flows.run.guards import ExitOnErrorSink, ExitOnErrorSource, Source, ending
from flows.run.inputs import followed_registry, inputs_of, registry_of
from flows.run.job import PreparedRun, ProcessSlot, RunOptions, clock
from flows.run.members import start_members
from flows.run.state import OpenState, open_state

LOG: Final = structlog.get_logger("tributary")

NO_BACKUP: Final = timedelta(0)
"""How much longer than needed the engine keeps snapshots: a running state is never copied."""


@contextmanager
def prepared_run(job: RunOptions) -> Iterator[tuple[PreparedRun, OpenState]]:
    """Lock and check the state of a run, or create a new one.

    Raises StateError, DatabaseError, LogError or ClusterError if the run cannot start.
    """
    # Check the input first: without one, no state is created.
    inputs = inputs_of(job)
    inputs.check()
    with open_state(job, inputs.log(), clock()) as opened:
        about = {"folder": str(job.state), "state_id": opened.facts.state_id}
        if opened.is_new:
            LOG.info("new state", **about)
        else:
            LOG.info("goes on from a state", **about, commit=opened.ready.seq)
        yield PreparedRun(opened.facts, registry_of(job, opened.state), inputs.noted()), opened


def run_until_asked(job: RunOptions, stopping: Stopping) -> int:
    """Run until asked to stop, and return the exit code.

    Raises StateError, DatabaseError, LogError, ClusterError or MonitorError if it cannot start.
    """
    if job.metrics_port is not None:
        check_ports(job.metrics_port, job.processes)
    with prepared_run(job) as (prepared, opened):
        if job.processes == 1:
            code = run_here(job, prepared, stopping, ProcessSlot())
        else:
            code = _supervise(job, prepared, stopping, opened)
        if code == 0:
            commit = Resumable.read(opened.state.recovery).seq
            LOG.info("drained", folder=str(job.state), commit=commit)
        return code


def _supervise(
    job: RunOptions, prepared: PreparedRun, stopping: Stopping, opened: OpenState
) -> int:
    """Run in several processes; the state is checked again before each restart."""

    def start() -> list[Process]:
        preflight(opened.state, opened.facts, database_seq(job.database, opened.facts.state_id))
        return start_members(job, _renewed(job, prepared, opened), opened.lock)

    try:
        pulse = opened.state.pulse
        return Supervisor(start, stopping, tell=LOG.warning, pulse=pulse).run()
    finally:
        restore_terminal()  # a killed member may have left a status line


def _renewed(job: RunOptions, prepared: PreparedRun, opened: OpenState) -> PreparedRun:
    """Return `prepared` with the registry as read from its topic since the last start."""
    if not job.follows_registry:
        return prepared
    return replace(prepared, registry=registry_of(job, opened.state))


def run_here(job: RunOptions, prepared: PreparedRun, stopping: Stopping, seat: ProcessSlot) -> int:
    """Run the engine in this process, with metrics and status, and return the exit code."""
    quiet_panics()
    spare_searches()
    forget_imports()
    is_first = seat.index == 0
    source = live_source(job, prepared, stopping)
    flow = wire(job, prepared, source, stopping)
    with ExitStack() as watched:
        if job.metrics_port is not None:
            watched.enter_context(serve(job.metrics_port + seat.index))
        # Before the status line, which would otherwise be captured with the engine's output.
        watched.enter_context(quiet_engine(StateDir(job.state).recovery.folder))
        if is_first:
            watched.enter_context(shown_status(processes=job.processes))
        _run_engine(flow, job, seat)
        source.tell_stored()
    return 0


def _run_engine(flow: Dataflow, job: RunOptions, seat: ProcessSlot) -> None:
    """Run until the lanes have ended and everything they read is committed."""
    store = StateDir(job.state).recovery.folder
    recovery = RecoveryConfig(str(store), NO_BACKUP)  # type: ignore[no-untyped-call]
    cli_main(  # type: ignore[no-untyped-call]
        flow,
        workers_per_process=job.workers,
        process_id=seat.index if seat.addresses else None,
        addresses=list(seat.addresses) or None,
        epoch_interval=timedelta(microseconds=job.settings.settings.flow.epoch_interval),
        recovery_config=recovery,
    )


def live_source(job: RunOptions, prepared: PreparedRun, stopping: Callable[[], bool]) -> LiveSource:
    """Return the source that follows the files of the folder, or the topics."""
    facts, flow, inputs = prepared.facts, job.settings.settings.flow, inputs_of(job)
    rules = Rules(
        facts.policy,
        prepared.registry,
        clock,
        flow.idle_grace,
        flow.watermark_interval,
        facts.salts,
        metrics.read,
        inputs.limit(),
        followed_registry(job, StateDir(job.state)),
    )
    alignment = Alignment.through(StateDir(job.state).alignment_file, facts.lanes)
    return LiveSource(inputs.intakes(facts.lanes), facts.lanes, rules, stopping, alignment)


def wire(
    job: RunOptions, prepared: PreparedRun, source: Source, stopping: Callable[[], bool]
) -> Dataflow:
    """Build the flow of a continuous run."""
    return build_flow(live_io(job, prepared, source, stopping), prepared.facts.policy)


def live_io(
    job: RunOptions, prepared: PreparedRun, source: Source, stopping: Callable[[], bool]
) -> Io:
    """Return the source and sinks of the flow of a continuous run."""
    facts, inputs = prepared.facts, inputs_of(job)
    dead_letters, publish = inputs.dead_letters(stopping), inputs.publish(stopping)
    state = StateDir(job.state)
    result = LiveDatabaseSink(job.database, _start(job, prepared), clock, InPlace.of(state.lasting))
    return Io(
        ExitOnErrorSource(source),
        ExitOnErrorSink(result),
        lanes=facts.lanes,
        key_groups=facts.key_groups,
        watermark_interval=job.settings.settings.flow.watermark_interval,
        segments=state.segments,
        provisional=True,
        dead_letters=dead_letters and ExitOnErrorSink(dead_letters),
        publish=publish and ExitOnErrorSink(publish),
        guard=ending,
    )


def _start(job: RunOptions, prepared: PreparedRun) -> Start:
    facts = prepared.facts
    return Start(
        run_id=uuid4().hex,
        state_id=facts.state_id,
        policy=facts.policy,
        registry=prepared.registry,
        inputs={**prepared.inputs, "allow_unregistered": job.allow_unregistered},
        lanes=facts.lanes,
        key_groups=facts.key_groups,
    )
