"""A continuous run for the engine's own command line: `python -m bytewax.run "flows.live:flow()"`.

For clusters over several hosts. Use `-r STATE/recovery -s 1 -b 0`: without a recovery store no
state is kept. TRIBUTARY_DATA, TRIBUTARY_STATE and TRIBUTARY_DB are the options --data, --state and
--db of `tributary run`; if the settings name a Kafka cluster, its topics are read instead of
TRIBUTARY_DATA. TRIBUTARY_METRICS_PORT, if set, is this process's port for metrics and health.

Process 0 locks and prepares the state. The others wait for the state, and load the registry when
the engine opens their lanes: that is after all processes are connected, and process 0 connects only
once it has prepared everything.
"""

import argparse
import atexit
import os
import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from bytewax.dataflow import Dataflow

from attribution.registry import Registry
from connectors.lanes.source import LiveSource
from connectors.registry.kept import load_versions
from connectors.state.directory import STATE, StateDir
from connectors.state.facts import StateFacts
from flows.monitoring.logs import set_up_logs
from flows.monitoring.server import PORT_MAX, serve
from flows.process.stopping import Stopping, asked_by_signals
from flows.run.guards import Source, SourcePartition
from flows.run.job import PreparedRun, RunOptions
from flows.run.run import prepared_run
from flows.run.wiring import Wiring
from flows.settings.load import SettingsError, load_settings, path_from

STATE_SECONDS_MAX: Final = 60.0
"""How long a process waits for process 0 to create the state, which takes a second."""

METRICS_PORT: Final = "TRIBUTARY_METRICS_PORT"

_HELD: Final = ExitStack()
"""Holds the lock of the state directory and the signal handlers until the process ends."""


def flow() -> Dataflow:
    """Build the flow of a continuous run from environment variables.

    Raises SettingsError, LogError, StateError, DatabaseError or MonitorError if it cannot.
    """
    set_up_logs()
    state = _option("STATE")
    is_first = _index() == 0
    settings = load_settings(config=None, overrides=[])
    facts = _known(StateDir(state), wait=not is_first)
    job = RunOptions(
        None if settings.settings.kafka.bootstrap_servers else _option("DATA"),
        state,
        _option("DB"),
        settings,
        allow_unregistered=facts is not None and facts.allow_unregistered,
    )
    stopping = Stopping()
    # Close explicitly: the interpreter would stop the threads before it released the resources.
    atexit.register(_HELD.close)
    _HELD.enter_context(asked_by_signals(stopping))
    if (port := _metrics_port()) is not None:
        _HELD.enter_context(serve(port))
    if is_first:
        prepared, _ = _HELD.enter_context(prepared_run(job))
        wiring = Wiring.of(job, prepared, stopping)
        return wiring.flow(wiring.source())
    assert facts is not None
    joined = PreparedRun(facts, Registry(versions={}))
    return Wiring.of(job, joined, stopping).flow(_Joining(job, facts, stopping))


def _option(name: str) -> Path:
    return path_from(f"TRIBUTARY_{name}", f"--{name.lower()} of `tributary run`")


def _index() -> int:
    """Return the number of this process, from the engine's flag or the environment."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-i", "--process-id", type=int)
    told, _ = parser.parse_known_args()
    if told.process_id is not None:
        return int(told.process_id)
    pod = os.environ.get("BYTEWAX_POD_NAME", "").rpartition("-")[2]
    return int(os.environ.get("BYTEWAX_PROCESS_ID") or pod or 0)


def _metrics_port() -> int | None:
    if not (text := os.environ.get(METRICS_PORT)):
        return None
    if not text.isdecimal() or not 1 <= int(text) <= PORT_MAX:
        msg = f"{METRICS_PORT} (environment): expected a port from 1 to {PORT_MAX}, not {text}"
        raise SettingsError([msg])
    return int(text)


def _known(state: StateDir, *, wait: bool) -> StateFacts | None:
    """Return the facts of a state; with `wait`, wait for it, else return None if it is missing."""
    until = time.monotonic() + STATE_SECONDS_MAX
    while wait and not (state.path / STATE).exists() and time.monotonic() < until:
        time.sleep(0.1)
    return state.read() if wait or (state.path / STATE).exists() else None


class _Joining(Source):
    """The lanes of a process other than 0; the registry is loaded when the first one opens."""

    def __init__(self, job: RunOptions, facts: StateFacts, stopping: Stopping) -> None:
        self._job = job
        self._facts = facts
        self._stopping = stopping

    def list_parts(self) -> list[str]:
        """Return the names of the lanes."""
        return [str(lane) for lane in range(self._facts.lanes)]

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> SourcePartition:  # noqa: ANN401
        """Open a lane."""
        return self._source.build_part(step_id, for_part, resume_state)

    @cached_property
    def _source(self) -> LiveSource:
        # Use the registry that process 0 has stored; the file may have changed since.
        known = load_versions(StateDir(self._job.state))
        assert known is not None, "process 0 keeps it before it is connected"
        let_in = self._facts.allow_unregistered
        registry = Registry(versions=known.versions, allow_unregistered=let_in)
        prepared = PreparedRun(self._facts, registry)
        return Wiring.of(self._job, prepared, self._stopping).source()
