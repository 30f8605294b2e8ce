"""The progress bar of a replay on a terminal: bytes read of all bytes of the files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from connectors.files.folder import find_files


@contextmanager
def progress_bar(folder: Path) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr and yield a function to call with the number of bytes just read.

    Raises LogError if the folder has no log.
    """
    total = sum(file.size for file in find_files(folder))
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=total)
        yield lambda read: progress.advance(task, read)
