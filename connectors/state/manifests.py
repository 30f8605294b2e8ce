"""The snapshot format of a keyed step: a small manifest that lists every batch of a key group.

Large batches are referenced by their place in a segment file; small new ones are in the manifest
itself. This module opens no file.
"""

from collections.abc import Iterator

import msgspec


class Inline(msgspec.Struct, frozen=True, array_like=True, tag="inline"):
    """A batch stored in the manifest itself."""

    rows: int
    crc: int
    data: bytes

    @property
    def length(self) -> int:
        """Bytes of the batch."""
        return len(self.data)


class Stored(msgspec.Struct, frozen=True, array_like=True, tag="stored"):
    """A batch in a segment file."""

    rows: int
    crc: int
    length: int
    file: str
    offset: int


SegmentPart = Inline | Stored


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """All batches of a key group, by name."""

    batches: dict[str, list[SegmentPart]]

    @property
    def parts(self) -> Iterator[SegmentPart]:
        """All batches."""
        return (part for named in self.batches.values() for part in named)

    @property
    def stored(self) -> Iterator[Stored]:
        """The batches in segment files."""
        return (part for part in self.parts if isinstance(part, Stored))

    @property
    def files(self) -> set[str]:
        """The segment files that are needed."""
        return {part.file for part in self.stored}

    @property
    def inline_bytes(self) -> int:
        """Bytes of the batches stored in the manifest itself."""
        return sum(part.length for part in self.parts if isinstance(part, Inline))


class StepState(msgspec.Struct, frozen=True, array_like=True):
    """What a key group of a step saves: its watermarks, and the manifest of its batches.

    `advanced` is the watermark it has advanced to, `watermarks` are those of its inputs, by port
    (us).
    """

    step: str
    advanced: int
    watermarks: dict[str, list[int]]
    manifest: Manifest
