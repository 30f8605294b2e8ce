"""Files that go on under another name: recognised, so that nothing is read twice.

A file that is renamed belongs to another lane, perhaps of another process, which does not know it.
The lane that read it under its former name recognises it and ends the run (`check_renamed`). The
other lane sees that the inode had another name, and waits until that has happened (`Doubts`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.files.folder import LogError, LogFile
from connectors.files.listing import Listing
from connectors.positions import FilePosition

DOUBT_EPOCHS: Final = 2
"""Epochs for which a file waits that may be a renamed one: every lane ends the second epoch after
the file was seen, so each has checked by then whether the file is one of its own."""

DOUBT_LISTINGS: Final = 5
"""Listings of the folder for which it waits as well: another process has its own."""


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Until when a file is left alone: a number of stored epochs, and a time."""

    epochs: int
    until: float


@dataclass(slots=True)
class Doubts:
    """Files of a lane that are not read yet because they may be renamed ones."""

    interval: float
    _epochs: int = 0
    _doubts: dict[str, _Doubt] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self._doubts

    def add(self, name: str) -> None:
        """Leave a file alone for a while."""
        until = time.monotonic() + DOUBT_LISTINGS * self.interval
        self._doubts[name] = _Doubt(self._epochs + DOUBT_EPOCHS, until)

    def drop(self, name: str) -> None:
        """Forget a file that is gone."""
        self._doubts.pop(name, None)

    def count_epoch(self) -> None:
        """Note that one more epoch is stored everywhere."""
        self._epochs += 1

    def dispel(self) -> None:
        """Release the files that have waited long enough."""
        now = time.monotonic()
        for name, doubt in list(self._doubts.items()):
            if self._epochs >= doubt.epochs and now >= doubt.until:
                del self._doubts[name]


def check_renamed(
    listing: Listing, name: str, place: FilePosition, others: Sequence[LogFile]
) -> None:
    """Raise LogError where a file goes on under another name that has no position of its own."""
    for other in others:
        is_new = other.partition != name and other.partition not in listing.resumed
        if is_new and _is_copy(other, place):
            msg = (
                f"{listing.path / name} was renamed to {other.path.name}, and would be read once "
                "more; give it its name back, and rotate by starting a new file with a new name"
            )
            raise LogError(msg)


def _is_copy(file: LogFile, place: FilePosition) -> bool:
    """Return whether a file begins with the part of another file that was read, up to `place`."""
    try:
        return place.byte > 0 and file.begins_as(place)
    except LogError:  # removed, or unreadable, which reading it reports
        return False
