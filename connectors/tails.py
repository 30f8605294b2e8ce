"""A folder of files that grow, as intakes of lanes: new lines, and new files as they appear.

A partition is a file's name without the suffix of its compression, and belongs to one lane for
ever. Rotate by starting a new file with a new name; a file that was read to its end may be packed
or taken away. What may happen to a single file is in `growing`.
"""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zlib import crc32

from connectors.files import CHUNK_BYTES, STREAMS, LogError, LogFile, list_files
from connectors.growing import Growing
from connectors.intake import Documents, Position
from connectors.place import Place

LISTING_INTERVAL: Final = 0.2
"""Seconds between two listings of the folder: a new file may wait longer than a new line. Below the
default `idle_grace`, so that what comes meanwhile is not below the watermark yet."""

COLD_AFTER: Final = 10.0
"""Seconds after which a file that has not grown is looked at with each listing only. A folder may
hold the files of months, and each look costs some microseconds."""

FIRST_BYTES: Final = 64_000
"""Read of a file before it is known where in time it begins; one far ahead is then left alone."""

PACKED_MAX: Final = 16
"""Packed files of a lane that are open at once. Any other is unpacked again up to its place."""


class Tails:
    """Opens the files of a folder; those of a name are always the same lane's."""

    def __init__(
        self,
        folder: Path,
        lanes: int,
        chunk_bytes: int = CHUNK_BYTES,
        *,
        listing_interval: float = LISTING_INTERVAL,
    ) -> None:
        """Look into the folder at most every `listing_interval` seconds, for all lanes together."""
        self._folder = _Folder(folder, listing_interval)
        self._lanes = lanes
        self._chunk_bytes = chunk_bytes

    def open(self, lane: int, positions: Mapping[str, Position]) -> "TailIntake":
        """Open the files of a lane; those in `positions` go on from there."""
        places = {name: Place.of(position) for name, position in positions.items()}
        return TailIntake(self._folder, (lane, self._lanes), places, self._chunk_bytes)

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Nobody watches."""


@dataclass(slots=True)
class _Folder:
    """The listing of a folder, made new when it is too old; shared by threads."""

    path: Path
    interval: float
    version: int = 0
    _files: list[LogFile] = field(default_factory=list)
    _listed: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def file(self, partition: str) -> LogFile:
        """Give the plain file of a partition, there or not."""
        stream = next(stream for stream in STREAMS if partition.startswith(stream))
        return LogFile(stream, self.path / partition)

    def files(self, *, now: bool = False) -> tuple[int, list[LogFile]]:
        """Give the files, with a number that another listing has not; just listed if `now`."""
        with self._lock:
            if now or time.monotonic() - self._listed >= self.interval:
                self._files = list_files(self.path)
                self._listed = time.monotonic()
                self.version += 1
            return self.version, self._files


class TailIntake:
    """The files of one lane."""

    def __init__(
        self, folder: _Folder, lane: tuple[int, int], places: dict[str, Place], chunk_bytes: int
    ) -> None:
        """Be the first of so many lanes, or another one; go on in files that have a place."""
        self._folder = folder
        self._lane, self._lanes = lane
        self._chunk_bytes = chunk_bytes
        self._files = {name: Growing(folder.file(name), place) for name, place in places.items()}
        self._gone: dict[str, Growing] = {}
        self._unpacking: dict[str, Growing] = {}
        self._listing = 0
        self._list()

    def poll(self, held: Collection[str]) -> list[Documents]:
        """Give new lines, a chunk or two at most, first of files that were not at their end."""
        is_listed = self._list()
        warm = time.monotonic() - COLD_AFTER
        mine = [
            (name, file)
            for name, file in self._files.items()
            if name not in held and (is_listed or not file.is_at_end or file.grew_at > warm)
        ]
        mine.sort(key=lambda each: each[1].is_at_end)
        given: list[Documents] = []
        left = self._chunk_bytes
        for name, file in mine:
            if left <= 0:
                file.is_at_end = False  # for all we know: nobody has looked
            elif (documents := self._read(name, file)) is not None:
                file.grew_at = time.monotonic()
                given.append(documents)
                left -= len(documents.lines.chunk)
        return given

    def partitions(self) -> list[tuple[str, str]]:
        """Give stream and name of every file that is or was there."""
        return [(file.file.stream, name) for name, file in (self._files | self._gone).items()]

    def is_at_end(self, partition: str) -> bool:
        """Tell whether a file held no further whole line when it was last looked at."""
        return self._file(partition).is_at_end

    def position(self, partition: str) -> Position:
        """Give the place in a file, and by what it is known again."""
        return self._file(partition).place.position

    def next_offset(self, partition: str) -> int:
        """Give the number of the next line."""
        return self._file(partition).place.line

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Close the packed files; others are never left open."""
        for file in self._unpacking.values():
            file.close()

    def _file(self, partition: str) -> Growing:
        return self._files.get(partition) or self._gone[partition]

    def _list(self, *, now: bool = False) -> bool:
        """Take in the files that are new, or back, or packed by now; tell if there was a look."""
        listing, files = self._folder.files(now=now)
        if listing == self._listing:
            return False
        self._listing = listing
        for file in files:
            name = file.partition
            if crc32(name.encode()) % self._lanes != self._lane:
                continue
            known = self._files.get(name) or self._gone.pop(name, None) or Growing(file)
            self._files[name] = known
            if known.file.path != file.path:
                known.follow(file)
        return True

    def _read(self, name: str, file: Growing) -> Documents | None:
        limit = self._chunk_bytes if file.place.byte else min(FIRST_BYTES, self._chunk_bytes)
        documents = file.read(limit)
        if file.is_gone:
            self._let_go(name, file)
        elif file.is_unpacking:
            self._unpacking.pop(name, None)
            self._unpacking[name] = file
            if len(self._unpacking) > PACKED_MAX:
                self._unpacking.pop(next(iter(self._unpacking))).close()
        return documents

    def _let_go(self, name: str, file: Growing) -> None:
        """Remember a file that is gone, if nothing of it is lost."""
        path = file.file.path
        self._list(now=True)
        if file.file.path != path:
            return
        for other in self._folder.files()[1]:
            if other.partition != name and file.has_become(other):
                msg = (
                    f"{path} was renamed to {other.path.name}, and would be read once more; "
                    "give it its name back, and rotate by starting a new file with a new name"
                )
                raise LogError(msg)
        if not file.place.is_whole:
            msg = (
                f"{path} is gone, and only {file.place.byte} of its bytes were read; put it back, "
                "and take files away only when they were read to their end"
            )
            raise LogError(msg)
        file.is_at_end = True
        self._gone[name] = self._files.pop(name)
