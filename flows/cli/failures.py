"""How a command ends: the exit codes, and mistakes told in a line instead of a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
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
    """Print the message of a mistake to stderr and exit; other errors keep their traceback."""
    try:
        yield
    except mistakes as error:
        _tell(error)
        raise typer.Exit(code) from error


@contextmanager
def told_of(place: Path) -> Iterator[None]:
    """Print which file the system refuses, or the given place if it names none, and exit."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # a sentence already
            _tell(error)
        else:
            _tell(f"{error.filename or place} cannot be written: {error.strerror}; mend that first")
        raise typer.Exit(MISTAKEN) from error


@contextmanager
def told_operating() -> Iterator[None]:
    """Print what the system or a database refuses where no command expects it; exits with 2."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (OSError, *_refusals())):
            _tell(error)
            raise typer.Exit(MISTAKEN) from error
        raise


def _refusals() -> Iterator[type[Exception]]:
    """Name the errors of databases that come from outside; of those that are not loaded, none."""
    for module, names in _REFUSALS.items():
        for name in names:
            if module in sys.modules:
                yield getattr(sys.modules[module], name)


_REFUSALS: Final = {
    "duckdb": ("OperationalError", "FatalException"),
    "sqlite3": ("OperationalError",),
}


def _tell(error: Exception | str) -> None:
    with suppress(OSError):  # the code counts, also where nobody can be told why
        typer.echo(f"tributary: {error}", err=True)
