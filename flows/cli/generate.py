"""`tributary generate`: synthetic streams, as a log with known truth or as they would happen."""

# ruff: noqa: PLC0415  a command imports when it runs

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.failures import told_of
from flows.cli.options import Config, Overrides

if TYPE_CHECKING:
    from flows.generate.sender import Drive
    from flows.generate.spec import GenerateSpec


def generate(
    folder: Annotated[
        Path | None, typer.Argument(help="Where a log goes; made if absent.", show_default=False)
    ] = None,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="kafka|FOLDER",
            help="Where records go as they happen: topics, or files that grow.",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="With --to: records per second.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="With --to: for how long.", show_default="until told to stop"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed gives the same bytes.", show_default="1; with --to the time"
        ),
    ] = None,
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
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Write a synthetic log of any size, or one as it happens.

    Sessions, people with several devices, late and repeated records, faults and bots are in it;
    truth.json tells how much of what. With --to, the log is gone through over and over at a steady
    rate: its records are received when they are sent, and its days pass as fast as that takes.
    """
    _check(folder, to, live=(rate, seconds), truth=truth)
    from flows.generate.spec import GenerateSpec

    spec = GenerateSpec(
        seed=_seed(seed, is_live=to is not None),
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
    if folder is not None:
        _write_log(folder, spec)
    elif to is not None and rate is not None:
        from flows.generate.sender import Drive

        _send(Drive(spec, to, rate, seconds, config, tuple(overrides or ())))


def _check(
    folder: Path | None, to: str | None, *, live: tuple[float | None, float | None], truth: bool
) -> None:
    """Raise SpecError unless exactly one kind of log is requested, with options that fit it."""
    from flows.generate.spec import SpecError

    if (folder is None) == (to is None):
        msg = "name the folder of a log, or send one as it happens: --to kafka --rate 1000"
        raise SpecError(msg)
    if to is None and live != (None, None):
        msg = "--rate and --seconds need --to kafka or --to FOLDER"
        raise SpecError(msg)
    if to is not None and live[0] is None:
        msg = "--to needs --rate: how many records per second"
        raise SpecError(msg)
    if to is not None and truth:
        msg = "--truth is for the folder of a log; leave it out with --to"
        raise SpecError(msg)


def _seed(seed: int | None, *, is_live: bool) -> int:
    """Return the seed; live logs default to the time, so that ids of earlier ones do not recur."""
    if seed is None:
        return time.time_ns() // 1_000_000 if is_live else 1
    return seed


def _write_log(folder: Path, spec: "GenerateSpec") -> None:
    from flows.generate.write import generate_log

    with told_of(folder):
        planted = generate_log(folder, spec)
    for stream, counts in (("impressions", planted.impressions), ("events", planted.events)):
        told_counts = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        typer.echo(f"{stream}: {told_counts}")


def _send(job: "Drive") -> None:
    from flows.generate.sender import send
    from flows.process.stopping import Stopping, asked_by_signals

    stopping = Stopping()
    with asked_by_signals(stopping), told_of(Path(job.to)):
        typer.echo(send(job, stopping).line())
