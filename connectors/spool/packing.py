"""Packs files of a spool that are at rest: `NAME.ndjson` becomes `NAME.ndjson.zst`.

The packed file is complete and synced before the plain one is deleted, and a job that reads the
file continues in the packed one (`connectors.files.growing_file`).
"""

import os
import shutil
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

import pyarrow as pa

from connectors.durable import sync_folder

ENDING: Final = ".zst"
UNFINISHED: Final = ".part"
COPY_BYTES: Final = 1 << 20


class Packer:
    """Packs one file after the other, in a thread of its own."""

    def __init__(self) -> None:
        """Start the thread."""
        self._queue: SimpleQueue[Path | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="pack", daemon=True)
        self._thread.start()

    def add(self, path: Path) -> None:
        """Pack a file that nobody writes to any more."""
        self._queue.put(path)

    def close(self) -> None:
        """Finish what was added."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (path := self._queue.get()) is not None:
            try:
                pack(path)
            except OSError:
                # The plain file stays as it is; the next start tries again.
                _unfinished(path).unlink(missing_ok=True)


def pack(path: Path) -> None:
    """Replace a file by its packed form; finish what a crash has left of that.

    The packed file has the time of the last change of the plain one. Raises OSError.
    """
    packed, unfinished = path.with_name(path.name + ENDING), _unfinished(path)
    if not packed.exists():
        with path.open("rb") as plain, pa.CompressedOutputStream(unfinished, "zstd") as packing:
            shutil.copyfileobj(plain, packing, COPY_BYTES)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        times = path.stat()
        os.utime(unfinished, ns=(times.st_atime_ns, times.st_mtime_ns))
        unfinished.rename(packed)
        sync_folder(path.parent)
    path.unlink()


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}{ENDING}{UNFINISHED}")
