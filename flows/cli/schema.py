"""`tributary schema`: the Kafka topics as an AsyncAPI document."""

# ruff: noqa: PLC0415  a command imports when it runs

import typer

from flows.cli.options import Config, Overrides, settings_of


def schema(config: Config = None, overrides: Overrides = None) -> None:
    """Describe the Kafka topics as an AsyncAPI 3 document.

    It is JSON, has the names of the settings, and a JSON Schema of every document.
    """
    import json

    from flows.kafka.asyncapi import asyncapi

    settings = settings_of(config, overrides).settings
    typer.echo(json.dumps(asyncapi(settings), indent=2, ensure_ascii=False))
