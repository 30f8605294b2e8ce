"""Records the input (folder or topics) of a state, so that a restart with another one is refused.

A folder may be moved. It is recognised by its files: those that were read begin as before, and none
that was not read to its end is missing.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from connectors.durable import write_lasting
from connectors.files.folder import LogError, LogFile, list_files
from connectors.positions import FilePosition
from connectors.preflight.resume import Resumable
from connectors.state.directory import StateDir
from connectors.state.errors import WAYS_OUT, StateError

FORMAT: Final = 1

InputIdentity = Mapping[str, Any]
"""`folder`, as an absolute path, or `topics` by stream."""


def keep_log(state: StateDir, log: InputIdentity) -> None:
    """Save the input of a run; raises OSError."""
    if kept_log(state) != log:
        text = json.dumps({"format": FORMAT, **log}, indent=2)
        write_lasting(state.log_file, [text.encode(), b"\n"])


def kept_log(state: StateDir) -> InputIdentity | None:
    """Return the saved input; None before the first start. Raises StateError."""
    path = state.log_file
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_bytes())
        (name,) = {"folder", "topics"} & tree.keys()
        return {name: tree[name]}
    except (OSError, ValueError, AttributeError) as error:
        msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
        raise StateError(msg) from error


def other_log(state: StateDir, resumed: Resumable, log: InputIdentity) -> Iterator[str]:
    """Raise StateError if a log is not the one that was read."""
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
    """Yield the differences of a folder from the one that was read; raises StateError."""
    try:
        there = {file.partition: file for file in list_files(folder)}
    except LogError as error:
        raise StateError(str(error)) from error
    read = {name: each.position for name, each in resumed.partitions().items()}
    for name, place in read.items():
        assert isinstance(place, FilePosition), "a state reads a folder or topics, not both"
        if name in there and not _begins(there[name], place):
            yield f"has another {name}"
        elif name not in there and not (place.is_whole or place.was_empty):
            yield f"is without {name}, of which something was left to read"
    if read and not read.keys() & there.keys():
        yield "has none of the files that were read"


def _begins(file: LogFile, place: FilePosition) -> bool:
    """Return whether a file begins as it did when it was read."""
    try:
        content, raw = file.open()
        with raw:
            return place.is_of(content.read(place.head_size))
    except OSError as error:
        msg = f"{file.path} cannot be read: {error}; it was read before"
        raise StateError(msg) from error
