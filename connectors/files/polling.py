"""The files of a lane, looked at the more often the later they grew.

A lane may have thousands of files, of which a few grow: only these are worth a look each time.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from connectors.files.growing_file import GrowingFile

IDLE_AFTER: Final = 10.0
"""Seconds after which a file that has not grown is looked at only as often as the folder is. Each
look costs some microseconds."""

ASLEEP_AFTER: Final = 3600.0
"""Seconds after which a file that has not grown is looked at in turn with all others of its kind: a
folder may hold those of months."""

ASLEEP_LOOKS: Final = 100
"""Files looked at in turn, each time that the folder is: of a thousand, each every two seconds."""


@dataclass(slots=True)
class PollSchedule:
    """Files by the name of their partition; those `awake` may have something to give."""

    awake: dict[str, GrowingFile] = field(default_factory=dict)
    _idle: dict[str, GrowingFile] = field(default_factory=dict)
    _asleep: dict[str, GrowingFile] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        """Yield all names."""
        yield from [*self.awake, *self._idle, *self._asleep]

    def get(self, name: str) -> GrowingFile | None:
        """Return a file, if there is one of that name."""
        return self.awake.get(name) or self._idle.get(name) or self._asleep.get(name)

    def pop(self, name: str) -> GrowingFile:
        """Take a file out."""
        holder = next(each for each in (self.awake, self._idle, self._asleep) if name in each)
        return holder.pop(name)

    def wake(self, name: str) -> GrowingFile:
        """Look at a file each time, for there may be more of it."""
        file = self.awake[name] = self.pop(name)
        file.is_at_end = False  # for all we know: nobody has looked
        return file

    def let_rest(self) -> None:
        """Look less often at files that have been at their end for a while."""
        since = time.monotonic() - IDLE_AFTER
        for name, file in list(self.awake.items()):
            if file.is_at_end and file.grew_at < since:
                self._idle[name] = self.awake.pop(name)

    def look_around(self) -> None:
        """Wake the files that have been touched, of those whose turn it is."""
        since = time.time() - ASLEEP_AFTER
        for name, file in list(self._idle.items()):
            if not file.is_untouched():
                self.wake(name)
            elif file.touched_at < since:
                self._asleep[name] = self._idle.pop(name)
        for name in list(islice(self._asleep, ASLEEP_LOOKS)):
            file = self._asleep[name] = self._asleep.pop(name)  # behind all others
            if not file.is_untouched():
                self.wake(name)
