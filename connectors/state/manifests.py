"""What a manifest is: a small plain tuple that names every batch of a key group.

The large batches are named by their place in a segment file, the small new ones by their bytes.
Knows what is stored where, and opens no file.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from connectors.state.errors import SegmentError

Manifest = tuple[Any, ...]

FORMAT: Final = 1
"""Of manifests; stands first in each."""


class SegmentPart(NamedTuple):
    """One batch of a manifest: its bytes, or the file and offset where they lie."""

    rows: int
    length: int
    crc: int
    where: Any

    @property
    def file(self) -> str | None:
        """The segment file; None where the manifest holds the bytes."""
        return None if isinstance(self.where, bytes) else self.where[0]

    @property
    def end(self) -> int:
        """How long the file is at least."""
        return self.where[1] + self.length


def parts_of(manifest: Manifest) -> Iterator[tuple[str, SegmentPart]]:
    """Yield the parts of a manifest, by the names they were saved under."""
    if manifest[0] != FORMAT:
        msg = (
            f"a manifest of the state has format {manifest[0]}, expected {FORMAT}; start the "
            "tributary that saved it"
        )
        raise SegmentError(msg)
    for name, parts in manifest[1]:
        for part in parts:
            yield name, SegmentPart(*part)


def files_of(manifest: Manifest) -> set[str]:
    """Name the segment files that a manifest needs."""
    return {part.file for _, part in parts_of(manifest) if part.file}


def sizes_of(manifest: Manifest) -> dict[str, tuple[int, int]]:
    """Return (rows, bytes) by name, wherever the bytes are."""
    sizes = {name: (0, 0) for name, _ in manifest[1]}
    for name, part in parts_of(manifest):
        rows, length = sizes[name]
        sizes[name] = rows + part.rows, length + part.length
    return sizes


def inline_bytes(manifest: Manifest) -> int:
    """Count the bytes that a manifest holds itself."""
    return sum(part.length for _, part in parts_of(manifest) if part.file is None)
