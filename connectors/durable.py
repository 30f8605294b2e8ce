"""Writes files atomically and durably: after a power cut, a file is complete or absent."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

UNFINISHED: Final = ".tmp"
"""Suffix of a file that is being written."""


def write_lasting(
    path: Path, pieces: Iterable[bytes], *, written: Callable[[], None] = lambda: None
) -> None:
    """Create or replace a file durably. `written` is called before the sync."""
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            written()
            os.fdatasync(file.fileno())
        unfinished.rename(path)
        sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a synced file without its name is lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
