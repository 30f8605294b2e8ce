"""The poll schedule of a lane's files: the more recently a file grew, the more often it is polled.

A lane may have thousands of files, of which a few grow: only these are read in each poll.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from connectors.files.growing_file import GrowingFile

IDLE_AFTER: Final = 10.0
"""Seconds without growth after which a file is checked only as often as the folder is. Each check
costs some microseconds."""

ASLEEP_AFTER: Final = 3600.0
"""Seconds without growth after which files are checked in turn: a folder may contain those of
months."""

ASLEEP_LOOKS: Final = 100
"""Files checked in turn, whenever the folder is: of a thousand, each one every two seconds."""


@dataclass(slots=True)
class PollSchedule:
    """Files by the name of their partition; those in `awake` may have new lines."""

    awake: dict[str, GrowingFile] = field(default_factory=dict)
    _idle: dict[str, GrowingFile] = field(default_factory=dict)
    _asleep: dict[str, GrowingFile] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        """Yield all names."""
        yield from [*self.awake, *self._idle, *self._asleep]

    def get(self, name: str) -> GrowingFile | None:
        """Return a file; None if there is none of that name."""
        return self.awake.get(name) or self._idle.get(name) or self._asleep.get(name)

    def pop(self, name: str) -> GrowingFile:
        """Remove a file, and return it."""
        holder = next(each for each in (self.awake, self._idle, self._asleep) if name in each)
        return holder.pop(name)

    def wake(self, name: str) -> GrowingFile:
        """Read a file in each poll from now on, because it may have grown."""
        file = self.awake[name] = self.pop(name)
        file.is_at_end = False  # not read yet, so unknown
        return file

    def let_rest(self) -> None:
        """Check files less often that have been at their end for a while."""
        since = time.monotonic() - IDLE_AFTER
        for name, file in list(self.awake.items()):
            if file.is_at_end and file.grew_at < since:
                self._idle[name] = self.awake.pop(name)

    def look_around(self) -> None:
        """Wake the files that have changed, among those whose turn it is."""
        since = time.time() - ASLEEP_AFTER
        for name, file in list(self._idle.items()):
            if not file.is_untouched():
                self.wake(name)
            elif file.touched_at < since:
                self._asleep[name] = self._idle.pop(name)
        for name in list(islice(self._asleep, ASLEEP_LOOKS)):
            file = self._asleep[name] = self._asleep.pop(name)  # moves to the end of the queue
            if not file.is_untouched():
                self.wake(name)
