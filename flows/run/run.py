"""Wires and runs a continuous run: growing input, state directory and result file."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from connectors.database.ownership import database_seq
from connectors.preflight.preflight import preflight
from connectors.preflight.resume import Resumable
from flows.monitoring.server import check_ports, serve
from flows.monitoring.status import shown_status
from flows.process.exits import quiet_engine
from flows.process.orphans import end_with_supervisor
from flows.process.stopping import Stopping, restore_terminal
from flows.process.supervisor import Process, Supervisor
from flows.process.tuning import forget_imports, quiet_panics, spare_searches
from flows.run.inputs import inputs_of
from flows.run.job import PreparedRun, ProcessSlot, RunOptions, clock
from flows.run.live_sql import check_live_sql
from flows.run.members import start_members
from flows.run.state import OpenState, open_state
from flows.run.wiring import Wiring

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
        yield PreparedRun(opened.facts, inputs.registry(opened.state), inputs.noted()), opened


def run_until_asked(job: RunOptions, stopping: Stopping) -> int:
    """Run until asked to stop, and return the exit code.

    Raises StateError, DatabaseError, LogError, ClusterError or MonitorError if it cannot start.
    """
    end_with_supervisor()
    if job.metrics_port is not None:
        check_ports(job.metrics_port, job.processes)
    check_live_sql(job.settings.settings.live_sql)
    if job.publication is not None:
        job.publication.check(job.database)
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
    """Take what a topic has said of event sources since the last start."""
    inputs = inputs_of(job)
    if inputs.follow(opened.state) is None:
        return prepared
    return replace(prepared, registry=inputs.registry(opened.state))


def run_here(job: RunOptions, prepared: PreparedRun, stopping: Stopping, seat: ProcessSlot) -> int:
    """Run the engine in this process, with metrics and status, and return the exit code."""
    quiet_panics()
    spare_searches()
    forget_imports()
    is_first = seat.index == 0
    wiring = Wiring.of(job, prepared, stopping)
    source, store = wiring.source(), wiring.state.recovery.folder
    flow = wiring.flow(source)
    with ExitStack() as watched:
        if job.metrics_port is not None:
            watched.enter_context(serve(job.metrics_port + seat.index))
        # Before the status line, which would go to where the engine's panics go.
        watched.enter_context(quiet_engine(store))
        if is_first:
            watched.enter_context(shown_status(processes=job.processes))
        _run_engine(flow, job, seat, store)
        source.tell_stored()
    return 0


def _run_engine(flow: Dataflow, job: RunOptions, seat: ProcessSlot, store: Path) -> None:
    """Run until the lanes have ended and all that they gave is stored."""
    recovery = RecoveryConfig(str(store), NO_BACKUP)  # type: ignore[no-untyped-call]
    cli_main(  # type: ignore[no-untyped-call]
        flow,
        workers_per_process=job.workers,
        process_id=seat.index if seat.addresses else None,
        addresses=list(seat.addresses) or None,
        epoch_interval=timedelta(microseconds=job.settings.settings.flow.epoch_interval),
        recovery_config=recovery,
    )
