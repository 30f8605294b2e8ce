"""How a command ends: the exit codes, and mistakes told in a line instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import typer

DIFFERENT: Final = 1
"""The result is not what its log makes it."""

MISTAKEN: Final = 2
"""What was asked for cannot be done; the same as for an unknown option."""

REJECTED: Final = 3
"""All went well, but records were refused and `--fail-on-rejects` was given."""


@contextmanager
def told(*mistakes: type[Exception], code: int = MISTAKEN) -> Iterator[None]:
    """Tell the message of a mistake on stderr and exit; anything else is ours, and a traceback."""
    try:
        yield
    except mistakes as error:
        with suppress(OSError):  # the code counts, also where nobody can be told why
            typer.echo(f"tributary: {error}", err=True)
        raise typer.Exit(code) from error
