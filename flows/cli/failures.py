"""Exit codes of the commands; an `OperatorError` prints its message, not a traceback."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec

import typer

from connectors.errors import OperatorError

Given = ParamSpec("Given")

DIFFERENT: Final = 1
"""The result differs from what its log yields."""

MISTAKEN: Final = 2
"""The command cannot be carried out; the same code as for an unknown option."""

REJECTED: Final = 3
"""All went well, but records were refused and `--fail-on-rejects` was given."""


def reporting(command: Callable[Given, None]) -> Callable[Given, None]:
    """Print the message of an OperatorError to stderr and exit with 2; others are bugs."""

    @wraps(command)
    def reported(*args: Given.args, **kwargs: Given.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except OperatorError as error:
            report(error)
            raise typer.Exit(MISTAKEN) from error

    return reported


@contextmanager
def told_of(place: Path) -> Iterator[None]:
    """Print which file the system refuses, or `place` if the error names none, and exit."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # a message already
            report(error)
        else:
            report(
                f"{error.filename or place} cannot be written: {error.strerror}; mend that first"
            )
        raise typer.Exit(MISTAKEN) from error


@contextmanager
def told_operating() -> Iterator[None]:
    """Print errors of the system or a database that no command expects, and exit with 2."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (OSError, *_refusals())):
            report(error)
            raise typer.Exit(MISTAKEN) from error
        raise


def _refusals() -> Iterator[type[Exception]]:
    """Yield the errors of `_REFUSALS` whose modules are loaded."""
    for module, names in _REFUSALS.items():
        for name in names:
            if module in sys.modules:
                yield getattr(sys.modules[module], name)


_REFUSALS: Final = {
    "duckdb": ("OperationalError", "FatalException"),
    "sqlite3": ("OperationalError",),
}


def report(error: Exception | str) -> None:
    """Print an error to stderr with the name of the program."""
    with suppress(OSError):  # the exit code must be right even if stderr cannot be written
        typer.echo(f"tributary: {error}", err=True)
