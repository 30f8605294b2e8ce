"""`tributary dead-letters`: documents that were refused as a whole, and giving them back."""

# ruff: noqa: PLC0415  a command imports when it runs

from typing import Annotated

import typer

from flows.cli.failures import MISTAKEN, reporting
from flows.cli.options import Config, Overrides, settings_of

dead_letters = typer.Typer(
    no_args_is_help=True, help="Look at documents that were refused, or send them again."
)

Codes = Annotated[
    list[str] | None,
    typer.Option("--code", metavar="CODE", help="Only those refused with it. May be repeated."),
]
Partition = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Only those of a partition, like adcp.events.v1-3."),
]
Offsets = Annotated[
    list[int] | None,
    typer.Option("--offset", min=0, help="Only those at an offset. May be repeated."),
]


@dead_letters.command(name="list")
@reporting
def list_letters(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 100,
    codes: Codes = None,
    partition: Partition = None,
    offsets: Offsets = None,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """List the latest dead letters: where they were read, when and why they were set aside.

    What is in them is not shown, for it may hold personal data.
    """
    from flows.kafka.dead_letters import HEADERS, Selection, latest
    from flows.text import text_table

    selection = Selection(frozenset(codes or ()), partition, frozenset(offsets or ()))
    rows = latest(settings_of(config, overrides).settings, selection, limit)
    typer.echo(text_table(HEADERS, rows) if rows else "no dead letters")


@dead_letters.command()
@reporting
def replay(
    *,
    codes: Codes = None,
    partition: Partition = None,
    offsets: Offsets = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send them.")] = False,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Send dead letters to their topics again, as they were.

    Each becomes a new record; its old rejection stays, and table resent_records links the two.
    Without --yes nothing is sent.
    """
    from flows.kafka.dead_letters import DeadLetterReplay, Selection

    selection = Selection(frozenset(codes or ()), partition, frozenset(offsets or ()))
    settings = settings_of(config, overrides).settings
    task = DeadLetterReplay(settings, selection)
    found = task.look()
    if found.incomplete:
        typer.echo(f"{found.incomplete:,} were too large to be kept, and cannot be sent")
    if found.foreign:
        typer.echo(f"{found.foreign:,} are of topics that the settings do not name")
    if not found.whole:
        typer.echo("no dead letters to send")
        return
    if not yes:
        typer.echo(f"{found.whole:,} dead letters would be sent again; add --yes", err=True)
        raise typer.Exit(MISTAKEN)
    typer.echo(f"sent {task.send():,} dead letters again")
