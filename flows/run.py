"""A continuous run: a log that grows, a state directory and a result file, wired and run."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from attribution.registry import Registry
from connectors import metrics
from connectors.files import list_files
from connectors.live import LiveSource, Rules
from connectors.live_database import LiveDatabaseSink, Start
from connectors.live_file import database_seq
from connectors.preflight import preflight
from connectors.source_versions import update_registry
from connectors.state import StateDir
from connectors.tails import Tails
from flows.attribution import Io, build_flow
from flows.crashing import EndingSegments, EndingSink, EndingSource, Source, quiet_engine
from flows.job import Prepared, Run, Seat, clock
from flows.members import start_members
from flows.monitor import serve
from flows.replay import load_registry
from flows.state import OpenState, open_state
from flows.status import shown_status
from flows.stopping import Stopping
from flows.supervisor import Process, Supervisor

LOG: Final = structlog.get_logger("tributary")

NO_BACKUP: Final = timedelta(0)
"""How much longer than needed the engine keeps snapshots: a running state is not copied."""


@contextmanager
def prepared_run(job: Run) -> Iterator[tuple[Prepared, OpenState]]:
    """Lock and check the state of a run, or make a new one.

    Raises StateError, DatabaseError or LogError when the run cannot start.
    """
    # Before the state is touched: where there is no log, none is made.
    list_files(job.folder)
    load_registry(job.folder, allow_unregistered=job.allow_unregistered)
    unregistered = job.allow_unregistered
    with open_state(
        job.state, job.database, job.settings, allow_unregistered=unregistered, now=clock()
    ) as opened:
        if opened.is_new:
            LOG.info("new state", folder=str(job.state), state_id=opened.facts.state_id)
        yield Prepared(opened.facts, registry_of(job, opened.state)), opened


def registry_of(job: Run, state: StateDir) -> Registry:
    """Give all versions of event sources, with those that the folder has now."""
    now = load_registry(job.folder, allow_unregistered=job.allow_unregistered)
    return update_registry(state, now, clock())


def run_until_asked(job: Run, stopping: Stopping) -> int:
    """Run until asked to stop, and give the exit code.

    Raises StateError, DatabaseError or LogError when it cannot start.
    """
    with prepared_run(job) as (prepared, opened):
        if job.processes == 1:
            return run_here(job, prepared, stopping, Seat())
        return _supervise(job, prepared, stopping, opened)


def _supervise(job: Run, prepared: Prepared, stopping: Stopping, opened: OpenState) -> int:
    """Run in several processes; the state is looked over again before each restart."""

    def start() -> list[Process]:
        preflight(opened.state, opened.facts, database_seq(job.database, opened.facts.state_id))
        return start_members(job, prepared, opened.lock)

    return Supervisor(start, stopping, tell=LOG.warning).run()


def run_here(job: Run, prepared: Prepared, stopping: Stopping, seat: Seat) -> int:
    """Run the engine in this process, watched, and give the exit code."""
    # A panic of the engine prints its own stack, which says nothing about this program.
    os.environ["RUST_BACKTRACE"] = "0"
    flow = wire(job, prepared, live_source(job, prepared, stopping))
    with ExitStack() as watched:
        if job.metrics_port is not None:
            watched.enter_context(serve(job.metrics_port + seat.index))
        if seat.index == 0:
            watched.enter_context(shown_status())
        return _run_engine(flow, job, seat)


def _run_engine(flow: Dataflow, job: Run, seat: Seat) -> int:
    store = StateDir(job.state).recovery.folder
    recovery = RecoveryConfig(str(store), NO_BACKUP)  # type: ignore[no-untyped-call]
    with quiet_engine(store):
        cli_main(  # type: ignore[no-untyped-call]
            flow,
            workers_per_process=job.workers,
            process_id=seat.index if seat.addresses else None,
            addresses=list(seat.addresses) or None,
            epoch_interval=timedelta(microseconds=job.settings.settings.flow.epoch_interval),
            recovery_config=recovery,
        )
    return 0


def live_source(job: Run, prepared: Prepared, stopping: Callable[[], bool]) -> LiveSource:
    """Read the files of the folder as they grow."""
    facts, flow = prepared.facts, job.settings.settings.flow
    rules = Rules(
        facts.policy,
        prepared.registry,
        clock,
        flow.idle_grace,
        flow.watermark_interval,
        facts.salts,
        metrics.read,
    )
    return LiveSource(Tails(job.folder, facts.lanes), facts.lanes, rules, stopping)


def wire(job: Run, prepared: Prepared, source: Source) -> Dataflow:
    """Build the flow of a continuous run."""
    facts = prepared.facts
    io = Io(
        EndingSource(source),
        EndingSink(LiveDatabaseSink(job.database, _start(job, prepared), clock)),
        lanes=facts.lanes,
        key_groups=facts.key_groups,
        watermark_interval=job.settings.settings.flow.watermark_interval,
        segments=EndingSegments(StateDir(job.state).segments.folder),
        provisional=True,
    )
    return build_flow(io, facts.policy)


def _start(job: Run, prepared: Prepared) -> Start:
    facts = prepared.facts
    return Start(
        run_id=uuid4().hex,
        state_id=facts.state_id,
        policy=facts.policy,
        registry=prepared.registry,
        inputs={
            "folder": str(job.folder.resolve()),
            "allow_unregistered": job.allow_unregistered,
        },
        lanes=facts.lanes,
        key_groups=facts.key_groups,
    )
