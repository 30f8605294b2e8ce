"""Options that several commands share, under one name and with one help text."""

# ruff: noqa: PLC0415  a command imports when it runs

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from flows.settings.load import Loaded


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from connectors.release import release

        typer.echo(f"tributary {release()}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
]

Database = Annotated[
    Path, typer.Option("--db", metavar="FILE", show_default=False, help="The result file.")
]

MovedLog = Annotated[
    Path | None,
    typer.Option(
        "--log",
        metavar="FOLDER",
        help="Where the raw streams are now, if not where they were replayed from.",
    ),
]

AllowUnregistered = Annotated[
    bool,
    typer.Option("--allow-unregistered", help="Accept events of sources nobody registered."),
]

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file. Without it tributary.toml, if there is one.",
    ),
]

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One setting, like policy.post_click=7d. May be repeated.",
    ),
]


def settings_of(config: Path | None, overrides: list[str] | None) -> "Loaded":
    """Return the effective settings; raises SettingsError."""
    from flows.settings.load import load_settings

    return load_settings(config=config, overrides=overrides or [])
