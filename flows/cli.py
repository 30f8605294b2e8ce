"""The console command; each subcommand imports what it needs, for starting up is paid every time."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="tributary",
    help="Attribute conversions to impressions and clicks.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command()
def replay(
    path: Annotated[Path, typer.Argument(help="Folder with the raw streams.")],
    db: Annotated[Path, typer.Option(help="Result file to create.")] = Path("tributary.duckdb"),
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
    allow_unregistered: Annotated[bool, typer.Option("--allow-unregistered")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64)] = 1,
    quiet: Annotated[bool, typer.Option("--quiet")] = False,
) -> None:
    """Replay a folder of raw streams into a result file."""
    from flows.replay import Replay, replay as run
    from flows.settings import Settings

    run(Replay(path, db, Settings(), overwrite=overwrite, allow_unregistered=allow_unregistered, workers=workers))


@app.command()
def config() -> None:
    """Show settings."""
