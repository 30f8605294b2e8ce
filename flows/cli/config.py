"""`tributary config`: which settings hold, and where each comes from."""

# ruff: noqa: PLC0415  a command imports when it runs

import typer

from flows.cli.options import Config, Overrides, settings_of


def config(file: Config = None, overrides: Overrides = None) -> None:
    """Show every setting, its value and where it comes from.

    Of several sources the first counts: --set, the environment (TRIBUTARY_POLICY__POST_CLICK),
    the settings file, the defaults.
    """
    from flows.settings.load import render_config
    from flows.text import text_table

    loaded = settings_of(file, overrides)
    typer.echo(text_table(["key", "value", "from"], render_config(loaded)))
