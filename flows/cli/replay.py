"""`tributary replay`: a folder of raw streams into a result file."""

# ruff: noqa: PLC0415  a command imports when it runs

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from flows.cli.failures import REJECTED
from flows.cli.options import AllowUnregistered, Config, Overrides, settings_of


def replay(
    path: Annotated[
        Path,
        typer.Argument(
            show_default=False,
            help="Folder with events*.ndjson, impressions*.ndjson and event_sources.json.",
        ),
    ],
    *,
    db: Annotated[
        Path,
        typer.Option("--db", metavar="FILE", show_default=False, help="Result file to write."),
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the result of a replay that is there.")
    ] = False,
    allow_unregistered: AllowUnregistered = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            show_default="one per core",
            help="Threads; all but one only decode. The result is the same with any number.",
        ),
    ] = None,
    config: Config = None,
    overrides: Overrides = None,
    fail_on_rejects: Annotated[
        bool, typer.Option("--fail-on-rejects", help="Exit with 3 when a record was refused.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar, no summary.")] = False,
) -> None:
    """Replay a folder of raw streams into a result file.

    The file appears when it is complete, and a summary says what was found. Refused records are
    listed in it, and no reason to fail.
    """
    from connectors.files.folder import look_into
    from connectors.files.hints import hints
    from flows.replay.replay import ReplayOptions
    from flows.replay.replay import replay as run

    started = perf_counter()
    with _progress_bar(path, wanted=not quiet and sys.stderr.isatty()) as progress:
        found = look_into(path)
        for each in (*found.not_read(), *found.missing(), *hints(found.files)):
            typer.echo(f"tributary: warning: {each}", err=True)
        settings = settings_of(config, overrides).settings
        run(
            ReplayOptions(
                path,
                db,
                settings,
                overwrite=overwrite,
                allow_unregistered=allow_unregistered,
                threads=_threads(workers),
                progress=progress,
            )
        )
    _report(db, seconds=perf_counter() - started, quiet=quiet, fail_on_rejects=fail_on_rejects)


def _threads(workers: int | None) -> int:
    """Return the number of threads that decode in advance; one worker does all the rest."""
    return (workers or _cores()) - 1


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _progress_bar(folder: Path, *, wanted: bool) -> Iterator[Callable[[int], None] | None]:
    """Show on stderr how many bytes of the files have been read."""
    if not wanted:
        yield None
        return
    from flows.replay.progress import progress_bar

    with progress_bar(folder) as advance:
        yield advance


def _report(db: Path, *, seconds: float, quiet: bool, fail_on_rejects: bool) -> None:
    if quiet and not fail_on_rejects:
        return
    from flows.replay.summary import Summary

    summary = Summary.of(db)
    if not quiet:
        for line in summary.lines(seconds):
            typer.echo(line)
    if fail_on_rejects and summary.rejections:
        raise typer.Exit(REJECTED)
