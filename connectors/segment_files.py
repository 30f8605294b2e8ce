"""Which segment files are needed, there and sound: asked before a start, when nobody writes."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa

from connectors.durable import UNFINISHED
from connectors.manifests import Manifest, parts_of
from connectors.segments import SUFFIX, Segments
from connectors.state_errors import WAYS_OUT, SegmentError


def absent(segments: Segments, manifest: Manifest) -> Iterator[str]:
    """Say which files of a manifest are missing or too short; reads none of them."""
    ends: dict[str, int] = {}
    for _, part in parts_of(manifest):
        if part.file:
            ends[part.file] = max(ends.get(part.file, 0), part.end)
    for name, end in ends.items():
        path = segments.folder / name
        size = path.stat().st_size if path.exists() else None
        if size is None:
            yield f"{path} is missing; {WAYS_OUT}"
        elif size < end:
            yield f"{path} is damaged: it has {size} bytes, expected {end}; {WAYS_OUT}"


def faults(segments: Segments, manifest: Manifest) -> Iterator[str]:
    """Say what of a manifest is not as it was saved; reads every byte."""
    opened: dict[str, pa.MemoryMappedFile] = {}
    for _, part in parts_of(manifest):
        try:
            segments.read(part, opened)
        except SegmentError as error:
            yield str(error)


def unnamed(segments: Segments, named: Collection[str]) -> list[Path]:
    """List the files that nothing refers to: those not in `named`, and unfinished ones."""
    ours = (path for path in segments.folder.iterdir() if path.suffix in {SUFFIX, UNFINISHED})
    return sorted(path for path in ours if path.name not in named)
