"""`tributary state`: make, check, scrub and show the state directory of a continuous run."""

# ruff: noqa: PLC0415  a command imports when it runs

from pathlib import Path
from time import time_ns
from typing import Annotated

import typer

from flows.cli.failures import DIFFERENT, reporting
from flows.cli.options import AllowUnregistered, Config, Overrides, settings_of

state = typer.Typer(
    name="state",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, check and show the state directory of a run.",
)

Directory = Annotated[
    Path,
    typer.Option("--state", metavar="DIR", show_default=False, help="The state directory."),
]


@state.command()
@reporting
def init(
    *,
    directory: Directory,
    allow_unregistered: AllowUnregistered = False,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Workers that it is made for, of all processes.")
    ] = 1,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Make a state, with settings that it keeps.

    `tributary run` makes one by itself; this is for making it beforehand.
    """
    from flows.run.state import init_state, sized_for

    now = time_ns() // 1_000
    sized = sized_for(settings_of(config, overrides), workers)
    facts = init_state(directory, sized, allow_unregistered=allow_unregistered, now=now)
    typer.echo(f"made {directory}: key groups {facts.key_groups}, lanes {facts.lanes}")


@state.command()
@reporting
def check(
    *,
    directory: Directory,
    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="FILE", help="The result file that belongs to it."),
    ] = None,
) -> None:
    """Check that a state can go on.

    All of it must be there and every checksum right. Exits with 1 and a sentence for each fault
    when not. Nothing is changed.
    """
    from flows.run.state import check_state

    faults = check_state(directory, db)
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(DIFFERENT)
    typer.echo("the state is complete and sound")


@state.command()
@reporting
def scrub(*, directory: Directory) -> None:
    """Remove what epochs left that were never committed.

    Every start of `tributary run` does so; this is for a start by the engine's own command line.
    """
    from connectors.wording import counted
    from flows.run.state import scrub_state

    scrubbed = scrub_state(directory)
    typer.echo(
        f"removed {counted(scrubbed.uncommitted, 'row')} of uncommitted epochs, "
        f"{scrubbed.discarded} of discarded keys"
    )


@state.command()
@reporting
def show(*, directory: Directory) -> None:
    """Show what a state was made with and how far it is."""
    from flows.run.state import show_state

    for line in show_state(directory):
        typer.echo(line)
