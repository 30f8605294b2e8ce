"""`tributary send`: a file of events, sent to the API."""

# ruff: noqa: PLC0415  a command imports when it runs

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.failures import MISTAKEN, REJECTED, report, told_of
from flows.process.stopping import FAILED


def send(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(show_default=False, help="Events or saved calls; - for standard input."),
    ],
    *,
    key: Annotated[
        str, typer.Option(envvar="TRIBUTARY_API_KEY", show_default=False, help="The API key.")
    ],
    url: Annotated[str, typer.Option(help="Where the API is.")] = "http://127.0.0.1:8600",
    advertiser: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose events they are, if no line says so.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="ID", help="The event source of events without a call.")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=10_000, help="Events of one call, where lines are events.")
    ] = 1_000,
    refused: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write refused events and why to it.")
    ] = None,
) -> None:
    """Send events: a line each, or calls of log-event.

    Calls that may succeed later are sent again, at the time that the API asks for. Exits with 0 if
    all were accepted, 3 if some were refused, 2 if a call was refused as a whole, 1 if the API did
    not take it in time. Sending the same file again is safe: an event counts once.
    """
    from flows.send.calls import Reader, lines_of
    from flows.send.send import Sender, Summary
    from flows.text import text_table
    from tributary_client import NotAccepted

    calls = Reader(advertiser, source, batch).calls(lines_of(file.read()))
    summary, is_watched = Summary(), sys.stderr.isatty()
    with told_of(refused or Path()):
        kept = None if refused is None else refused.open("w", encoding="utf-8")
    try:
        for sent in Sender(url, key, report).send(calls):
            summary.add(sent)
            for each in sent.refused if kept else ():
                line = {"code": each.code, "message": each.message, "event": each.event}
                print(json.dumps(line), file=kept)
            if is_watched:
                typer.echo(f"\r{summary.events:,} events", nl=False, err=True)
    except NotAccepted as error:
        advice = "send the file again later" if error.may_resend else "mend that, send it again"
        report(f"{error} (status {error.status}); until then: {summary}; {advice}")
        raise typer.Exit(FAILED if error.may_resend else MISTAKEN) from error
    finally:
        if is_watched:
            typer.echo("", err=True)
        if kept:
            kept.close()
    typer.echo(str(summary))
    if summary.refused:
        rows = [[code, f"{count:,}"] for code, count in summary.codes.most_common()]
        typer.echo(text_table(["refused because", "events"], rows))
        raise typer.Exit(REJECTED)
