"""`tributary generate`: synthetic streams, as a log with known truth or as they would happen."""

# ruff: noqa: PLC0415  a command imports when it runs
# ruff: noqa: ARG001  options go to `GenerateSpec` by their names

import time
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.failures import reporting, told_of
from flows.cli.options import Config, Overrides, settings_of

if TYPE_CHECKING:
    from flows.generate.spec import GenerateSpec

generate = typer.Typer(no_args_is_help=True, help="Write a synthetic log, or one as it happens.")

Events = Annotated[int, typer.Option(min=0, help="Events, in envelopes of several.")]
Impressions = Annotated[int, typer.Option(min=0, help="Impressions and clicks.")]
Users = Annotated[
    int | None,
    typer.Option(min=1, help="People behind them.", show_default="one per 20 impressions"),
]
Advertisers = Annotated[int, typer.Option(min=1, help="Advertisers, each with its own sources.")]
Days = Annotated[int, typer.Option(min=1, help="Length of the log.")]
Files = Annotated[int, typer.Option(min=1, help="Files per stream.")]
EnvelopeSize = Annotated[int, typer.Option(min=1, help="Events per envelope, about.")]
Bad = Annotated[float, typer.Option(min=0, max=0.99, help="Share of faulty records.")]
Duplicate = Annotated[float, typer.Option(min=0, max=0.99, help="Share of copies.")]
Test = Annotated[float, typer.Option(min=0, max=0.99, help="Share of test events.")]
Late = Annotated[float, typer.Option(min=0, max=0.99, help="Share that arrives late.")]
Bots = Annotated[float, typer.Option(min=0, max=0.99, help="Share that is of bots.")]


@generate.command()
@reporting
def log(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Made if absent.", show_default=False)],
    *,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    events: Events = 20_000,
    impressions: Impressions = 100_000,
    users: Users = None,
    advertisers: Advertisers = 8,
    days: Days = 14,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Its first day.")] = (
        datetime(2026, 4, 1)  # noqa: DTZ001  only the date is used
    ),
    files: Files = 1,
    envelope_size: EnvelopeSize = 5,
    bad: Bad = 0.01,
    duplicate: Duplicate = 0.01,
    test: Test = 0.005,
    late: Late = 0.02,
    bots: Bots = 0.005,
    truth: Annotated[
        bool, typer.Option("--truth", help="Also write truth.ndjson: what caused each conversion.")
    ] = False,
) -> None:
    """Write a synthetic log of any size into a folder.

    Sessions, people with several devices, late and repeated records, faults and bots are in it;
    truth.json tells how much of what.
    """
    from flows.generate.write import generate_log

    with told_of(folder):
        planted = generate_log(folder, _spec(context.params | {"start": start.date()}))
    for stream, counts in (("impressions", planted.impressions), ("events", planted.events)):
        told_counts = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        typer.echo(f"{stream}: {told_counts}")


@generate.command()
@reporting
def live(
    context: typer.Context,
    to: Annotated[
        str,
        typer.Argument(
            metavar="kafka|FOLDER",
            help="Topics, or a folder of files that grow.",
            show_default=False,
        ),
    ],
    *,
    rate: Annotated[float, typer.Option(min=0.1, help="Records per second.", show_default=False)],
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="For how long.", show_default="until told to stop"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same seed gives the same records.", show_default="the time"),
    ] = None,
    events: Events = 20_000,
    impressions: Impressions = 100_000,
    users: Users = None,
    advertisers: Advertisers = 8,
    days: Days = 14,
    files: Files = 1,
    envelope_size: EnvelopeSize = 5,
    bad: Bad = 0.01,
    duplicate: Duplicate = 0.01,
    test: Test = 0.005,
    late: Late = 0.02,
    bots: Bots = 0.005,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Send the records of a synthetic log at a steady rate, as if they happened now.

    The log is gone through over and over: its records are received when they are sent, and its days
    pass as fast as that takes.
    """
    from flows.generate.sender import send
    from flows.process.stopping import Stopping, asked_by_signals

    # The time, so that ids of earlier calls do not recur.
    now = time.time_ns() // 1_000_000
    spec = _spec(context.params | {"seed": now if seed is None else seed})
    stopping = Stopping()
    with asked_by_signals(stopping), told_of(Path(to)):
        kafka = settings_of(config, overrides).settings.kafka
        done = send(spec, to, kafka, rate=rate, seconds=seconds, stopping=stopping)
    typer.echo(done.line())


def _spec(options: dict[str, Any]) -> "GenerateSpec":
    from flows.generate.spec import GenerateSpec

    names = {field.name for field in fields(GenerateSpec)}
    return GenerateSpec(**{name: value for name, value in options.items() if name in names})
