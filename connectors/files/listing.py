"""What a folder of files that grow holds: looked at often, and listed only when it has changed.

Shared by the lanes of a process, and every process has its own. Knows names and inodes; what a file
says, and what was read of it, is its reader's business.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from attribution.vocabulary import STREAMS
from connectors.files.folder import Found, LogFile, listed, look_into
from connectors.files.hints import hints
from connectors.files.names import NAME

SETTLED_AFTER: Final = 2.0
"""Seconds after which a folder whose own time has not moved is as it was listed: that time is
coarse, on some file systems two seconds."""

UNLISTED_MAX: Final = 5.0
"""Seconds after which a folder is listed whatever its own time says: not every file system keeps
it."""

REMEMBERED_SECONDS: Final = 60.0
"""How long it is known what name a file had that is not there any more."""

TWICE_SECONDS: Final = 60.0
"""How long a file may be there packed and plain before somebody is told: packing takes a while."""

UNREAD_SECONDS: Final = 60.0
"""How long a name that is not read may be there before somebody is told, unless it was there from
the beginning: files are written under another name, and then renamed."""

Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True)
class View:
    """A folder as it was last listed.

    `look` is another number with every look, `version` only when what is there has changed. `files`
    are those of each partition: two or three while one is being packed, the plain one first.
    `former` gives, for some names that are new, the name that the same inode had before: the file
    was renamed, or another one was deleted and left it its inode.
    """

    look: int
    version: int
    files: Mapping[str, Sequence[LogFile]]
    former: Mapping[str, str]


@dataclass(slots=True)
class Listing:
    """A folder, looked at every `interval` seconds at most, from any thread.

    `tell` is given a sentence about what somebody should put in order. `resumed` names the
    partitions, of whatever lane, of which something had been read when the run began.
    """

    path: Path
    interval: float
    tell: Callable[[str], None]
    resumed: set[str] = field(default_factory=set)
    _view: View = field(default_factory=lambda: View(0, 0, {}, {}))
    _looked_at: float = float("-inf")
    _listed_at: float = float("-inf")
    _changed_at: float = float("-inf")
    _mtime: int = 0
    _found: Mapping[LogFile, int] = field(default_factory=dict)
    _gone: dict[int, tuple[str, float]] = field(default_factory=dict)
    _former: dict[str, tuple[str, float]] = field(default_factory=dict)
    _twice: dict[str, float] = field(default_factory=dict)
    _unread: dict[str, tuple[str, float]] = field(default_factory=dict)
    _by_inode: tuple[int, dict[int, list[LogFile]]] = (0, {})
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def view(self, *, now: bool = False) -> View:
        """Return what is there; just listed if `now`. Raises LogError when it is no folder."""
        with self._lock:
            at = time.monotonic()
            if now or at - self._looked_at >= self.interval:
                self._looked_at = at
                self._look(at, must_list=now)
            return self._view

    def plain(self, partition: str) -> LogFile:
        """Return the plain file of a partition, there or not."""
        stream = next(stream for stream in STREAMS if partition.startswith(stream))
        return LogFile(stream, self.path / partition)

    def with_inode(self, inode: int) -> Sequence[LogFile]:
        """Return the files that have an inode; all files are asked once for each version."""
        with self._lock:
            if self._by_inode[0] != self._view.version:
                self._by_inode = self._view.version, _by_inode(self._view)
            return self._by_inode[1].get(inode, ())

    def _look(self, at: float, *, must_list: bool) -> None:
        mtime = self._folder_time()
        if mtime != self._mtime:
            self._mtime, self._changed_at = mtime, at
        is_settled = self._listed_at - self._changed_at > SETTLED_AFTER
        if must_list or not is_settled or at - self._listed_at > UNLISTED_MAX:
            self._listed_at = at
            self._list(at)
        before = self._view
        self._view = View(before.look + 1, before.version, before.files, before.former)
        self._complain(at)

    def _folder_time(self) -> int:
        try:
            return self.path.stat().st_mtime_ns
        except OSError:  # the listing will say what is wrong
            self._listed_at = float("-inf")
            return 0

    def _list(self, at: float) -> None:
        look = look_into(self.path)
        found = look.files
        self._note_unread(look, at)
        if self._view.version and found == self._found:
            return
        files: dict[str, list[LogFile]] = defaultdict(list)
        for file in sorted(found, key=lambda each: each.path.name):
            files[file.partition].append(file)
        self._note_renamed(found, at)
        former = {name: old for name, (old, _) in self._former.items() if name in files}
        self._view = View(self._view.look, self._view.version + 1, dict(files), former)
        self._twice = {
            name: self._twice.get(name, at) for name, each in files.items() if len(each) > 1
        }

    def _note_renamed(self, found: Mapping[LogFile, int], at: float) -> None:
        """Note which names are new and of an inode that had another, now or a while ago."""
        known = self._gone | {inode: (file.partition, at) for file, inode in self._found.items()}
        new = [(file.partition, inode) for file, inode in found.items() if file not in self._found]
        renamed = {
            name: (known[inode][0], at)
            for name, inode in new
            if inode in known and known[inode][0] != name
        }
        self._former = _recent(self._former, at) | renamed
        there = set(found.values())
        self._gone = {inode: it for inode, it in _recent(known, at).items() if inode not in there}
        self._found = found

    def _note_unread(self, look: Found, at: float) -> None:
        """Note since when something is there that is not read; tell at once what was there first.

        So is what has the name of a file that is read, and is none.
        """
        if not self._view.version:
            for sentence in (*look.not_read(), *hints(look.files)):
                self.tell(sentence)
            self._unread = {name: (why, float("inf")) for name, why in look.left.items()}
        self._unread = {
            name: self._unread.get(name) or (why, float("-inf") if NAME.fullmatch(name) else at)
            for name, why in look.left.items()
        }

    def _complain(self, at: float) -> None:
        due = {
            name: why for name, (why, since) in self._unread.items() if at - since > UNREAD_SECONDS
        }
        if due:
            self._unread |= {name: (why, float("inf")) for name, why in due.items()}
            self.tell(f"{self.path} holds what is not read: {listed(due)}")
        for name, since in self._twice.items():
            if at - since > TWICE_SECONDS:
                self._twice[name] = float("inf")
                self.tell(
                    f"{self.path} holds {name} packed and plain since more than "
                    f"{TWICE_SECONDS:g} s; one of them is read, the other is not: delete one"
                )


def _recent(noted: Mapping[Key, tuple[str, float]], at: float) -> dict[Key, tuple[str, float]]:
    return {key: each for key, each in noted.items() if at - each[1] < REMEMBERED_SECONDS}


def _by_inode(view: View) -> dict[int, list[LogFile]]:
    found: dict[int, list[LogFile]] = defaultdict(list)
    for files in view.files.values():
        for file in files:
            try:
                found[file.path.stat().st_ino].append(file)
            except OSError:  # gone again
                continue
    return found
