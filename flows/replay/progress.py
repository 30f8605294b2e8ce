"""The bar that a replay shows on a terminal: bytes of files read, of those there are."""

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
    """Show a bar on stderr while a folder is read; give what to call with bytes read since.

    Raises LogError when the folder holds no log.
    """
    total = sum(file.size for file in find_files(folder))
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=total)
        yield lambda read: progress.advance(task, read)
