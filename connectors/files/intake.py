"""A folder of growing files as intakes of lanes: reads new lines, and new files as they appear.

A partition is a file's name without the suffix of its compression, and belongs to one lane for
ever. Rotate by starting a new file with a new name; a file that was read to its end may be packed
or taken away. What may happen to a single file is in `growing_file`.

A file that is renamed ends the run: see `renames`.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from attribution.vocabulary import MEASUREMENTS
from connectors.files.folder import LogError, LogFile
from connectors.files.growing_file import GrowingFile
from connectors.files.listing import Listing, View
from connectors.files.polling import PollSchedule
from connectors.files.renames import Doubts, check_renamed
from connectors.files.whole_lines import CHUNK_BYTES
from connectors.intake import Documents
from connectors.positions import FilePosition, Position

LISTING_INTERVAL: Final = 0.2
"""Seconds between two listings of the folder: a new file may wait longer than a new line. Below the
default `idle_grace`, so that the records of a new file are not below the watermark yet."""

FIRST_BYTES: Final = 64_000
"""Size of the first read of a file, which shows its arrival times; a file far ahead then waits."""

MEASUREMENT_BYTES: Final = 1_000_000
"""Of measurements read at once: to judge them takes a tenth of a second, and events wait for it."""

PACKED_MAX: Final = 16
"""Packed files that a lane keeps open. Any other is unpacked again up to its position."""


class TailIntakes:
    """Opens the files of a folder; files of one name always belong to the same lane."""

    def __init__(
        self,
        folder: Path,
        lanes: int,
        chunk_bytes: int = CHUNK_BYTES,
        *,
        listing_interval: float = LISTING_INTERVAL,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """List the folder at most every `listing_interval` seconds, for all lanes together.

        `tell` is called with a sentence for each problem that an operator should fix.
        """
        self._listing = Listing(folder, listing_interval, tell)
        self._lanes = lanes
        self._chunk_bytes = chunk_bytes

    def open(self, lane: int, positions: Mapping[str, Position]) -> "TailIntake":
        """Open the files of a lane; those in `positions` resume from there."""
        places = {
            name: position
            for name, position in positions.items()
            if isinstance(position, FilePosition)
        }
        assert len(places) == len(positions), "preflight lets no other state through"
        return TailIntake(self._listing, (lane, self._lanes), places, self._chunk_bytes)

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Do nothing: files have no consumer group."""


class TailIntake:
    """The files of one lane."""

    def __init__(
        self,
        listing: Listing,
        lane: tuple[int, int],
        places: dict[str, FilePosition],
        chunk_bytes: int,
    ) -> None:
        """Open a lane, given as (number, count); files in `places` resume from there."""
        self._listing = listing
        self._lane, self._lanes = lane
        self._chunk_bytes = chunk_bytes
        self._files = PollSchedule()
        self._missing = {name: place for name, place in places.items() if not place.is_gone}
        self._gone = {name: place for name, place in places.items() if place.is_gone}
        self._doubts = Doubts(listing.interval)
        self._unpacking: dict[str, GrowingFile] = {}
        self._look = self._version = 0
        listing.resumed |= {name for name, place in places.items() if place.byte}

    def look_around(self) -> None:
        """Find files that have appeared, disappeared or grown."""
        view = self._listing.view()
        if view.version != self._version:
            self._take_in(view)
        if view.look != self._look:
            self._look = view.look
            self._files.let_rest()
            self._files.look_around()

    def poll(self, held: Collection[str]) -> list[Documents]:
        """Return new lines, at most a chunk or two; files that were not at their end come first.

        Measurements come last: nothing waits for them.
        """
        self._doubts.dispel()
        mine = [
            (name, file)
            for name, file in self._files.awake.items()
            if name not in held and name not in self._doubts
        ]
        mine.sort(key=lambda each: (each[1].file.stream == MEASUREMENTS, each[1].is_at_end))
        given: list[Documents] = []
        left = self._chunk_bytes
        for name, file in mine:
            if file.file.stream == MEASUREMENTS:
                left = min(left, MEASUREMENT_BYTES)
            if left <= 0:
                file.is_at_end = False  # not read in this poll, so unknown
            elif (documents := self._read(name, file)) is not None:
                file.grew_at = time.monotonic()
                given.append(documents)
                left -= len(documents.lines.chunk)
        return given

    def partitions(self) -> list[tuple[str, str]]:
        """Return stream and name of every file that is not at rest."""
        return [(file.file.stream, name) for name, file in self._files.awake.items()]

    def is_at_end(self, partition: str) -> bool:
        """Return whether a file had no further whole line at the last read."""
        file = self._files.get(partition)
        return file.is_at_end if file is not None else self._place(partition).is_whole

    def position(self, partition: str) -> Position:
        """Return the position in a file, with the data by which the file is recognised."""
        return self._place(partition)

    def next_offset(self, partition: str) -> int:
        """Return the number of the next line."""
        return self._place(partition).line

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Record that one more epoch is stored everywhere."""
        del positions
        self._doubts.count_epoch()

    def close(self) -> None:
        """Close the packed files; others are not kept open."""
        for file in self._unpacking.values():
            file.close()

    def _place(self, partition: str) -> FilePosition:
        if (file := self._files.get(partition)) is not None:
            return file.place
        return self._missing.get(partition) or self._gone[partition]

    def _take_in(self, view: View) -> None:
        """Add files that are new, back, or packed by now; remove those that are gone."""
        self._version = view.version
        mine = {
            name: files
            for name, files in view.files.items()
            if crc32(name.encode()) % self._lanes == self._lane
        }
        for name, files in mine.items():
            known = self._files.get(name)
            if known is None:
                self._meet(name, files, view)
            elif known.file not in files:
                self._files.wake(name).follow(files[0])
        for name in set(self._files) - mine.keys():
            self._miss(name)
        for name in [*self._missing]:
            self._let_go(name)
        for name, former in view.former.items():
            if former in self._gone:
                check_renamed(self._listing, former, self._gone[former], view.files[name])

    def _meet(self, name: str, files: Sequence[LogFile], view: View) -> None:
        """Add a file; one that may be a renamed file is not read at first."""
        place = self._missing.pop(name, None) or self._gone.pop(name, None)
        if place is None:
            place = FilePosition()
            if name in view.former:
                self._doubts.add(name)
        file = next((each for each in files if each.has_inode(place.inode)), files[0])
        self._files.awake[name] = GrowingFile(file, place, grew_at=time.monotonic())

    def _read(self, name: str, file: GrowingFile) -> Documents | None:
        limit = self._chunk_bytes if file.place.byte else min(FIRST_BYTES, self._chunk_bytes)
        if file.file.stream == MEASUREMENTS:
            limit = min(MEASUREMENT_BYTES, limit)
        documents = file.read(limit)
        if file.is_gone:
            self._look_for(name, file)
        elif file.is_unpacking:
            self._unpacking.pop(name, None)
            self._unpacking[name] = file
            if len(self._unpacking) > PACKED_MAX:
                self._unpacking.pop(next(iter(self._unpacking))).close()
        return documents

    def _look_for(self, name: str, file: GrowingFile) -> None:
        """List the folder again after a listed file was not found."""
        self._take_in(self._listing.view(now=True))
        if self._files.get(name) is file and not file.file.is_there():
            self._miss(name)
            self._let_go(name)

    def _miss(self, name: str) -> None:
        file = self._files.pop(name)
        file.close()
        self._doubts.drop(name)
        self._missing[name] = file.place

    def _let_go(self, name: str) -> None:
        """Remember a file that is gone; raises LogError if it was not read to its end."""
        place = self._missing.pop(name)
        check_renamed(self._listing, name, place, self._listing.with_inode(place.inode))
        if place.was_empty and not place.is_whole:
            self._listing.tell(f"{self._listing.path / name} is gone; it had been empty until then")
        elif not place.is_whole:
            msg = (
                f"{self._listing.path / name} is gone, and was read only up to byte "
                f"{place.byte:,}; put it back, and take files away only when they were read to "
                "their end"
            )
            raise LogError(msg)
        self._gone[name] = place.gone()
