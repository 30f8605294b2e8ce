"""The listing of a folder of growing files: checked often, and renewed only after changes.

The lanes of a process share one. Knows only names and inodes, not contents or positions.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from attribution.vocabulary import RAW_STREAMS
from connectors.files.folder import Found, LogFile, listed, look_into
from connectors.files.hints import hints
from connectors.files.names import NAME

SETTLED_AFTER: Final = 2.0
"""Seconds after which an unchanged modification time proves that a folder has not changed: on some
file systems the time has a resolution of two seconds."""

UNLISTED_MAX: Final = 5.0
"""Seconds after which a folder is listed in any case: not every file system maintains the
modification time."""

REMEMBERED_SECONDS: Final = 60.0
"""How long the name of a removed file is remembered by its inode."""

TWICE_SECONDS: Final = 60.0
"""How long a file may exist packed and plain before this is reported: packing takes a while."""

UNREAD_SECONDS: Final = 60.0
"""How long a name that is not read may exist before it is reported: files are often written under
another name, and then renamed. Names that exist at the start are reported at once."""

Key = TypeVar("Key", int, str)


@dataclass(frozen=True, slots=True)
class View:
    """A folder as it was last listed.

    `look` increases with every check, `version` only when the contents have changed. `files` are
    those of each partition: two or three while one is being packed, the plain one first. `former`
    maps new names to the name that the same inode had before: the file was renamed, or another one
    was deleted and its inode was reused.
    """

    look: int
    version: int
    files: Mapping[str, Sequence[LogFile]]
    former: Mapping[str, str]


@dataclass(slots=True)
class Listing:
    """A folder, checked every `interval` seconds at most, from any thread.

    `tell` is called with a sentence for each problem that an operator should fix. `resumed` names
    the partitions, of all lanes, that had been read, at least in part, when the run began.
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
        """Return the view; listed anew if `now`. Raises LogError when it is not a folder."""
        with self._lock:
            at = time.monotonic()
            if now or at - self._looked_at >= self.interval:
                self._looked_at = at
                self._look(at, must_list=now)
            return self._view

    def plain(self, partition: str) -> LogFile:
        """Return the plain file of a partition, whether or not it exists."""
        stream = next(stream for stream in RAW_STREAMS if partition.startswith(stream))
        return LogFile(stream, self.path / partition)

    def with_inode(self, inode: int) -> Sequence[LogFile]:
        """Return the files with an inode; all files are examined once per version."""
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
        except OSError:  # listing the folder reports the error
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
        """Record the new names whose inode had another name within REMEMBERED_SECONDS."""
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
        """Record since when each name that is not read exists; report those of the start at once.

        A name of a raw stream that is not a regular file is reported at once, too.
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
            except OSError:  # removed meanwhile
                continue
    return found
