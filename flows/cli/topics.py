"""`tributary topics` and `schema`: the Kafka topics that the job reads and writes."""

# ruff: noqa: PLC0415  a command imports when it runs

import typer

from flows.cli.failures import DIFFERENT, reporting
from flows.cli.options import Config, Overrides, settings_of

topics = typer.Typer(
    no_args_is_help=True, help="Make the Kafka topics, or check them against the settings."
)


@topics.command()
@reporting
def create(config: Config = None, overrides: Overrides = None) -> None:
    """Make the topics that are missing.

    Topics that exist stay as they are; `topics check` tells whether they will do.
    """
    from flows.kafka.topics import create as create_missing

    made = create_missing(settings_of(config, overrides).settings)
    for name in made:
        typer.echo(f"made {name}")
    if not made:
        typer.echo("all topics are there")


@topics.command()
@reporting
def check(config: Config = None, overrides: Overrides = None) -> None:
    """Show which topics are missing or not configured as planned.

    More partitions and a longer retention will do. Exits with 1 when anything is not so.
    """
    from flows.kafka.topics import check as differences

    found = differences(settings_of(config, overrides).settings)
    for line in found:
        typer.echo(line)
    if found:
        raise typer.Exit(DIFFERENT)
    typer.echo("all topics are as they should be")


def schema(config: Config = None, overrides: Overrides = None) -> None:
    """Describe the Kafka topics as an AsyncAPI 3 document.

    It is JSON, has the names of the settings, and a JSON Schema of every document.
    """
    import json

    from flows.kafka.asyncapi import asyncapi

    settings = settings_of(config, overrides).settings
    typer.echo(json.dumps(asyncapi(settings), indent=2, ensure_ascii=False))
