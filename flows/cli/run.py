"""`tributary run`: raw streams that grow, in a folder or in Kafka, into a result that keeps up."""

# ruff: noqa: PLC0415  a command imports when it runs

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.failures import report
from flows.cli.options import AllowUnregistered, Config, Overrides, settings_of

if TYPE_CHECKING:
    from connectors.database.published_copies import Publication


def run(
    state: Annotated[
        Path,
        typer.Option(
            "--state", metavar="DIR", show_default=False, help="State directory; made if absent."
        ),
    ],
    db: Annotated[
        Path, typer.Option("--db", metavar="FILE", show_default=False, help="Its result file.")
    ],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Folder with events*.ndjson, impressions*.ndjson and event_sources.json. "
            "Without it the topics on kafka.bootstrap_servers are read.",
        ),
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option(
            "--sources",
            metavar="FILE",
            help="Event sources of a run over Kafka, a JSON array; else their topic is followed.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Threads per process.")] = 1,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes, started again together if one dies.")
    ] = 1,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65_535, help="Serve /metrics and /healthz there, on loopback."),
    ] = None,
    publish: Annotated[
        Path | None,
        typer.Option(
            "--publish",
            metavar="FILE",
            help="Publish copies of the result for programs that open files; FILE is a link to the "
            "latest.",
        ),
    ] = None,
    every: Annotated[
        str, typer.Option("--every", metavar="DURATION", help="How often to publish a copy.")
    ] = "60s",
    allow_unregistered: AllowUnregistered = False,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Read raw streams for as long as they grow: files or topics.

    The result is kept up to date until SIGTERM or SIGINT; then what was read is committed, and the
    next start goes on from there. Exits with 4 when an operator has to mend something.
    """
    from flows.process.stopping import Stopping, asked_by_signals

    stopping = Stopping()
    with asked_by_signals(stopping):  # first of all: to import the rest takes a second
        from connectors.kafka.cluster import OutageError
        from flows.monitoring.logs import set_up_logs
        from flows.run.inputs import check_inputs
        from flows.run.job import RunOptions
        from flows.run.run import run_until_asked
        from flows.run.state import sized_for

        set_up_logs()
        try:
            settings = settings_of(config, overrides)
            check_inputs(settings, data, sources)
            code = run_until_asked(
                RunOptions(
                    data,
                    state,
                    db,
                    sized_for(settings, workers * processes),
                    allow_unregistered=allow_unregistered,
                    workers=workers,
                    processes=processes,
                    metrics_port=metrics_port,
                    sources=sources,
                    publication=_publication(publish, every),
                ),
                stopping,
            )
        except OutageError as error:
            report(error)
            code = error.exit_code
    raise typer.Exit(code)


def _publication(link: Path | None, every: str) -> "Publication | None":
    """Return where copies are published, if they are; a bad duration is a usage error."""
    from attribution.durations import parse_duration
    from connectors.database.published_copies import Publication

    try:
        interval = parse_duration(every)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--every") from error
    return None if link is None else Publication(link, interval)
