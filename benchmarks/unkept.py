"""A continuous run without recovery: `python -m benchmarks.unkept --data DIR ...`.

Flow, lanes and result file are those of `tributary run`, but there are no segments and no recovery
store. The difference in CPU time is the cost of recovery.
"""

import argparse
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bytewax.run import cli_main

from flows.dataflow.flow import build_flow
from flows.monitoring.logs import set_up_logs
from flows.monitoring.server import serve
from flows.monitoring.status import shown_status
from flows.process.stopping import Stopping, asked_by_signals
from flows.run.job import RunOptions
from flows.run.run import prepared_run
from flows.run.wiring import Wiring
from flows.settings.load import load_settings


def main() -> None:
    """Run until asked to stop."""
    given = _arguments()
    settings = load_settings(config=None, overrides=given.set)
    job = RunOptions(given.data, given.state, given.db, settings, metrics_port=given.metrics_port)
    set_up_logs()
    stopping = Stopping()
    with (
        asked_by_signals(stopping),
        prepared_run(job) as (prepared, _),
        serve(given.metrics_port),
        shown_status(),
    ):
        wiring = Wiring.of(job, prepared, stopping)
        io = wiring.io(wiring.source())
        epoch = timedelta(microseconds=settings.settings.flow.epoch_interval)
        cli_main(  # type: ignore[no-untyped-call]
            build_flow(replace(io, segments=None), prepared.facts.policy),
            workers_per_process=1,
            epoch_interval=epoch,
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--data", "--state", "--db"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--metrics-port", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
