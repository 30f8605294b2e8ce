"""`tributary report`: the report of a result as one HTML file."""

# ruff: noqa: PLC0415  a command imports when it runs

from pathlib import Path
from typing import Annotated, Final

import typer

from connectors.errors import OperatorError
from flows.cli.options import Database

STDOUT: Final = Path("-")
"""As the name of a file: standard output."""


class ReportError(OperatorError):
    """The report cannot be written; the message says why and what to do."""


def report(
    db: Database,
    *,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="The HTML file to write; - is standard output."),
    ] = Path("report.html"),
    advertiser: Annotated[
        str | None, typer.Option(metavar="ID", help="One advertiser instead of all.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="The first day, of UTC: 2026-04-01."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="DAY", help="The day after the last one: 2026-05-01."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Money of one currency instead of all.")
    ] = None,
) -> None:
    """Write a report of a result for people, as one HTML file.

    What was matched, what each campaign earned under every model, journeys, copies, and what is
    wrong with the data. The file needs nothing else: it can be mailed, printed, and read offline.
    Charts need the extra `report`; without it there are tables with bars.
    """
    from flows.report.file import report as page_of
    from flows.report.selection import selected

    page = page_of(db, selected(advertiser, since, until, currency))
    if out == STDOUT:
        typer.echo(page)
        return
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        msg = f"{out} cannot be written: {error.strerror}; name another file as --out"
        raise ReportError(msg) from error
    typer.echo(f"wrote {out}")
