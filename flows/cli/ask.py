"""Commands that read a result file: `tributary sql`, `explain` and `verify`."""

# ruff: noqa: PLC0415  a command imports when it runs

import sys
from typing import Annotated, Literal

import typer

from flows.cli.failures import DIFFERENT
from flows.cli.options import Config, Database, MovedLog, Overrides, settings_of


def sql(
    query: Annotated[
        str,
        typer.Argument(
            help="One SQL statement that reads; - reads it from standard input.",
            show_default=False,
        ),
    ],
    db: Database,
    fmt: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How to write the answer.")
    ] = "table",
) -> None:
    """Query a result file in SQL.

    Start with: select table_name, column_name, meaning from data_dictionary

    In CSV, NULL is an empty field and an empty text is "". In JSON, NaN and infinities are texts.
    Of columns with the same name, the second is called name_1.
    """
    from flows.analysis.sql import run_sql

    typer.echo(run_sql(db, sys.stdin.read() if query == "-" else query, fmt))


def explain(
    event_id: Annotated[str, typer.Argument(help="As it was sent.", show_default=False)],
    db: Database,
    log: MovedLog = None,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Explain what became of an event, and why.

    Tells the identifiers it carried, every candidate with the rule that ranked it, what each
    earned, and which records nearly were candidates. Settings tell how Kafka is reached, where the
    raw streams are there.
    """
    from flows.analysis.explain.explain import explain as explanation

    kafka = settings_of(config, overrides).settings.kafka
    typer.echo(explanation(db, event_id, log, kafka=kafka))


def verify(
    db: Database,
    log: MovedLog = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Differing rows to show per table; all are counted.")
    ] = 20,
    config: Config = None,
    overrides: Overrides = None,
) -> None:
    """Check a result against its log, row by row.

    The log is read again and the result recomputed by batch SQL. While a job writes the result, its
    last commit is checked. Exits with 1 when anything differs. Settings tell how Kafka is reached,
    where the raw streams are there.
    """
    from flows.analysis.verify import report
    from flows.analysis.verify import verify as verified

    kafka = settings_of(config, overrides).settings.kafka
    verification = verified(db, log, kafka=kafka, limit=limit)
    for line in report(verification):
        typer.echo(line)
    if not verification.is_equal:
        raise typer.Exit(DIFFERENT)
