"""`tributary hash`: emails and phone numbers as events carry them."""

# ruff: noqa: PLC0415  a command imports when it runs

import sys
from enum import StrEnum
from typing import Annotated

import typer

from flows.cli.failures import MISTAKEN, report


class Kind(StrEnum):
    """What is hashed."""

    EMAIL = "email"
    PHONE = "phone"


def hash_identifiers(
    kind: Annotated[Kind, typer.Argument(show_default=False, help="What is hashed.")],
    value: Annotated[
        str | None,
        typer.Argument(show_default=False, help="One of them; without it, each line of stdin."),
    ] = None,
) -> None:
    """Hash emails or phone numbers as events carry them.

    For hashed_email and hashed_phone. Emails are trimmed and put in lower case, phone numbers
    written as E.164. Nothing is sent or kept; give many on standard input, which the shell does not
    keep either.
    """
    from attribution.ingest.identifiers import IdentifierError, hash_email, hash_phone

    hashed = {Kind.EMAIL: hash_email, Kind.PHONE: hash_phone}[kind]
    for number, text in enumerate(sys.stdin if value is None else [value], start=1):
        try:
            typer.echo(hashed(text))
        except IdentifierError as error:
            report(f"line {number}: {error}" if value is None else error)
            raise typer.Exit(MISTAKEN) from error
