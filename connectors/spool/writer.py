"""Accepted calls on disk, synced before they are answered: the folder that a run reads.

One thread drains a bounded queue. It stamps each document under its lock, so that `received_at`
never runs backwards in a file, writes what waits, syncs once, and then answers all of it.
"""

import fcntl
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import IO, Final

from attribution.contract.times import write_time
from connectors.durable import sync_folder
from connectors.errors import OperatorError
from connectors.spool.packing import Packer
from connectors.spool.store import Receipt, StoreFullError

QUEUE_BYTES_MAX: Final = 256 << 20
"""Of documents that wait; beyond it a call is refused for now."""

BATCH_BYTES_MAX: Final = 8 << 20
"""Synced at once: a sync costs milliseconds, whatever it is."""

FILE_BYTES_MAX: Final = 256 << 20
FILE_SECONDS_MAX: Final = 3600
"""A file is closed then, and the next one begun."""

SLOTS_MAX: Final = 64
"""Instances that write to one folder."""

FREE_BYTES_MIN: Final = 64 << 20
"""With less room on the disk, calls are refused for now."""


TAIL_BYTES: Final = 1 << 20
"""Read at once from the end of a file, to find its last line feed."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at the free space."""


class SpoolError(OperatorError):
    """The folder cannot be written to; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A document that waits; an empty one only asks for a sync."""

    document: bytes
    written: "Future[Receipt]"


class Spool:
    """Files of one stream, `<stream>-api<slot>-<time>.ndjson`, in a folder."""

    def __init__(self, folder: Path, stream: str, fail: Callable[[OSError], None]) -> None:
        """Take a slot of the folder and cut what a crash left unfinished.

        `fail` is called once a write or sync has failed: nothing may be accepted after that.
        Raises SpoolError.
        """
        self._folder, self._stream, self._fail = folder, stream, fail
        self._slot, self._lock_file = _take_slot(folder, stream)
        self._packer = Packer()
        for path in sorted(folder.glob(f"{stream}-api{self._slot}-*.ndjson")):
            _cut_unfinished_line(path)
            self._packer.add(path)
        self._file: IO[bytes] | None = None
        self._name, self._lines, self._bytes, self._opened_at = "", 0, 0, 0.0
        self._stamp = 0
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._waiting_bytes, self._counting = 0, Lock()
        self._is_broken = False
        self._has_room, self._next_look = True, 0.0
        self._thread = Thread(target=self._run, name=f"spool {stream}", daemon=True)
        self._thread.start()

    def append(self, document: bytes, key: str) -> "Future[Receipt]":
        """Take one JSON object on one line; the result is there when it is synced.

        All keep their order, whatever their `key`. Raises StoreFullError where too much waits.
        """
        del key
        with self._counting:
            if self._is_broken or self._waiting_bytes + len(document) > QUEUE_BYTES_MAX:
                raise StoreFullError
            self._waiting_bytes += len(document)
        waiting = _Waiting(document, Future())
        # A caller that has gone must not cancel what is being written.
        waiting.written.set_running_or_notify_cancel()
        self._queue.put(waiting)
        return waiting.written

    def probe(self) -> "Future[Receipt]":
        """Let the writer sync: the result is there as soon as it can store documents."""
        return self.append(b"", "")

    def has_room(self) -> bool:
        """Return whether the disk takes more, as of LOOK_SECONDS ago."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            room = os.statvfs(self._folder)
            self._has_room = room.f_bavail * room.f_frsize >= FREE_BYTES_MIN
        return self._has_room

    def close(self) -> None:
        """Write what waits, and end."""
        self._queue.put(None)
        self._thread.join()
        if self._file is not None:
            self._file.close()
        self._packer.close()
        self._lock_file.close()

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                receipts = self._write([each.document for each in batch])
            except OSError as error:
                with self._counting:
                    self._is_broken = True
                for each in batch:
                    each.written.set_exception(error)
                self._fail(error)
                return
            with self._counting:
                self._waiting_bytes -= sum(len(each.document) for each in batch)
            for each, receipt in zip(batch, receipts, strict=True):
                each.written.set_result(receipt)

    def _next_batch(self) -> list[_Waiting] | None:
        """Wait for a document, and take all that wait with it; None at the end."""
        first = self._queue.get()
        if first is None:
            return None
        batch, size = [first], len(first.document)
        while size < BATCH_BYTES_MAX:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                self._queue.put(None)
                break
            batch.append(following)
            size += len(following.document)
        return batch

    def _write(self, documents: list[bytes]) -> list[Receipt]:
        file = self._current_file()
        self._stamp = max(self._stamp, time.time_ns() // 1_000)
        lines = [stamped(each, self._stamp) if each else b"" for each in documents]
        file.write(b"".join(lines))
        file.flush()
        os.fdatasync(file.fileno())
        receipts = []
        for line in lines:
            receipts.append(Receipt(self._stream, self._name, self._lines, self._stamp))
            self._lines += bool(line)
            self._bytes += len(line)
        return receipts

    def _current_file(self) -> IO[bytes]:
        now = time.time()
        is_over = self._bytes >= FILE_BYTES_MAX or now - self._opened_at >= FILE_SECONDS_MAX
        if self._file is None or is_over:
            if self._file is not None:
                self._file.close()
                self._packer.add(self._folder / self._name)
            at = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S%f")
            self._name = f"{self._stream}-api{self._slot}-{at}.ndjson"
            self._file = (self._folder / self._name).open("xb")
            self._lines, self._bytes, self._opened_at = 0, 0, now
            sync_folder(self._folder)
        return self._file


def stamped(document: bytes, received_at: int) -> bytes:
    """Return a JSON object as a line that begins with its arrival: the first of equal keys."""
    stamp = write_time(received_at).encode()
    return b'{"received_at":"' + stamp + b'",' + document.lstrip()[1:] + b"\n"


def _take_slot(folder: Path, stream: str) -> tuple[int, IO[bytes]]:
    """Lock the first free slot; files of another instance are never touched."""
    try:
        for slot in range(SLOTS_MAX):
            file = (folder / f".{stream}-api{slot}.lock").open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return slot, file
    except OSError as error:
        msg = f"{folder} cannot be written: {error.strerror}; name a folder that can"
        raise SpoolError(msg) from error
    msg = f"{folder} has {SLOTS_MAX} writers already; end one of them"
    raise SpoolError(msg)


def _cut_unfinished_line(path: Path) -> None:
    """Cut what follows the last line feed: no caller was answered for it."""
    with path.open("r+b") as file:
        end = size = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - TAIL_BYTES)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                end = begin + at + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
            os.fdatasync(file.fileno())
