"""Fingerprints of files that were read, small enough to be stored with a result.

They show later that a file has grown or was replaced. They do not prove that it is the same: that
would take reading all of it.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

Mark = tuple[int, int]
"""The size of a file, and a checksum of its first and last bytes."""

_ENDS_BYTES: Final = 65_536
"""Bytes read at each end of a file."""


def marks(paths: Iterable[Path]) -> dict[str, Mark]:
    """Return the marks of files, by name; files that are gone are omitted."""
    found = {path.name: _mark(path) for path in paths}
    return {name: mark for name, mark in found.items() if mark is not None}


def changes(noted: Mapping[str, Mark], paths: Iterable[Path]) -> Iterator[str]:
    """Yield how files differ from their marks: grown, replaced, new or missing."""
    found = {path.name: path for path in paths}
    for name, (size, checksum) in sorted(noted.items()):
        if (path := found.pop(name, None)) is None or (now := _mark(path)) is None:
            yield f"{name} is not there"
        elif now == (size, checksum):
            continue
        elif now[0] > size and _mark(path, size) == (size, checksum):
            yield f"{name} has grown from {size:,} to {now[0]:,} bytes"
        else:
            yield f"{name} is another than the one that was read"
    for name in sorted(found):
        yield f"{name} has come since"


def _mark(path: Path, size: int | None = None) -> Mark | None:
    """Return the mark of a file, or of its first `size` bytes."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2) if size is None else size
            file.seek(0)
            head = file.read(min(end, _ENDS_BYTES))
            file.seek(max(0, end - _ENDS_BYTES))
            tail = file.read(min(end, _ENDS_BYTES))
    except OSError:
        return None
    return end, zlib.crc32(tail, zlib.crc32(head))
