"""`tributary generate`: synthetic streams with known truth."""

# ruff: noqa: PLC0415  a command imports when it runs

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.failures import told


def generate(
    folder: Annotated[Path, typer.Argument(help="Where to; made if absent.", show_default=False)],
    *,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    events: Annotated[int, typer.Option(help="Events, in envelopes of several.")] = 20_000,
    impressions: Annotated[int, typer.Option(help="Impressions and clicks.")] = 100_000,
    users: Annotated[
        int | None, typer.Option(help="People behind them.", show_default="one per 20 impressions")
    ] = None,
    advertisers: Annotated[int, typer.Option(help="Advertisers, each with its own sources.")] = 8,
    days: Annotated[int, typer.Option(help="Length of the log.")] = 14,
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Its first day.")] = (
        datetime(2026, 4, 1)  # noqa: DTZ001  only the date is used
    ),
    files: Annotated[int, typer.Option(help="Files per stream.")] = 1,
    envelope_size: Annotated[int, typer.Option(help="Events per envelope, about.")] = 5,
    bad: Annotated[float, typer.Option(help="Share of faulty records.")] = 0.01,
    duplicate: Annotated[float, typer.Option(help="Share of copies.")] = 0.01,
    test: Annotated[float, typer.Option(help="Share of test events.")] = 0.005,
    late: Annotated[float, typer.Option(help="Share of records that arrive late.")] = 0.02,
    bots: Annotated[float, typer.Option(help="Share of records that are of bots.")] = 0.005,
    truth: Annotated[
        bool, typer.Option("--truth", help="Also write truth.ndjson: what caused each conversion.")
    ] = False,
) -> None:
    """Write a synthetic log of any size into an empty folder.

    Sessions, people with several devices, late and repeated records, faults and bots are in it;
    truth.json tells how much of what.
    """
    from flows.generate import GenerateSpec, generate_log

    with told(ValueError, FileExistsError):
        spec = GenerateSpec(
            seed=seed,
            events=events,
            impressions=impressions,
            users=users,
            advertisers=advertisers,
            days=days,
            start=start.date(),
            files=files,
            envelope_size=envelope_size,
            bad=bad,
            duplicate=duplicate,
            test=test,
            late=late,
            bots=bots,
            truth=truth,
        )
        planted = generate_log(folder, spec)
    for stream, counts in (("impressions", planted.impressions), ("events", planted.events)):
        told_counts = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        typer.echo(f"{stream}: {told_counts}")
