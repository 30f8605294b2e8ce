"""Records the input (folder or topics) of a state, so that a restart with another one is refused.

A folder may be moved. It is recognised by its files: those that were read begin as before, and none
that was not read to its end is missing.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from connectors.files.folder import list_files
from connectors.positions import FilePosition
from connectors.preflight.resume import Resumable
from connectors.state.directory import StateDir
from connectors.state.documents import load, save
from connectors.state.errors import WAYS_OUT, StateError

InputIdentity = Mapping[str, Any]
"""`folder`, as an absolute path, or `topics` by stream."""


def keep_log(state: StateDir, log: InputIdentity) -> None:
    """Save the input of a run; raises StateError."""
    if kept_log(state) != log:
        save(state.log_file, log)


def kept_log(state: StateDir) -> InputIdentity | None:
    """Return the saved input; None before the first start. Raises StateError."""
    log = load(state.log_file, dict[str, Any])
    if log is not None and log.keys() not in ({"folder"}, {"topics"}):
        msg = f"{state.log_file} cannot be read: it names neither a folder nor topics; {WAYS_OUT}"
        raise StateError(msg)
    return log


def other_log(state: StateDir, resumed: Resumable, log: InputIdentity) -> Iterator[str]:
    """Yield a sentence if a log is not the one that was read; raises StateError or LogError."""
    known = kept_log(state)
    if known is None or known == log:
        return
    is_moved = "folder" in known and "folder" in log
    if is_moved and not (why := list(_differences(resumed, Path(log["folder"])))):
        return
    but = f", which {why[0]}" if is_moved else ""
    yield (
        f"{state.path} has read {_named(known)}, and not {_named(log)}{but}; name what it has "
        "read (a folder may have moved, with its files), or begin anew with an empty --state and "
        "a new --db"
    )


def _named(log: InputIdentity) -> str:
    if "folder" in log:
        return f"the folder {log['folder']}"
    return "the topics " + ", ".join(sorted(log["topics"].values()))


def _differences(resumed: Resumable, folder: Path) -> Iterator[str]:
    """Yield the differences of a folder from the one that was read; raises LogError."""
    there = {file.partition: file for file in list_files(folder)}
    read = {name: each.position for name, each in resumed.partitions().items()}
    for name, place in read.items():
        assert isinstance(place, FilePosition), "a state reads a folder or topics, not both"
        if name in there and not there[name].begins_as(place):
            yield f"has another {name}"
        elif name not in there and not (place.is_whole or place.was_empty):
            yield f"is without {name}, of which something was left to read"
    if read and not read.keys() & there.keys():
        yield "has none of the files that were read"
