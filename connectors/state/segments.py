"""Immutable batches on disk, so that the cost of a snapshot depends on changes, not on total size.

A segment file is written once, synced before any manifest refers to it, and deleted when no
manifest that may be resumed refers to it any more.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4
from zlib import crc32

import pyarrow as pa

from connectors.durable import UNFINISHED, write_lasting
from connectors.failpoints import reach
from connectors.state.errors import WAYS_OUT, SegmentError
from connectors.state.manifests import Inline, Manifest, SegmentPart, Stored

Batches = dict[str, list[pa.RecordBatch]]
"""Immutable batches by name; the same object has the same content."""

INLINE_BYTES: Final = 64 * 1024
"""New batches of a smaller total size stay in the manifest: cheaper than one sync of a file."""

MAP_BYTES: Final = 1024 * 1024
"""Stored batches from this size on are memory-mapped; for smaller ones, the mapping costs more."""

LIVE_SHARE: Final = 0.25
"""If manifests refer to a smaller share of a file, its live batches are rewritten into a new one:
so all files together take at most four times the size of the live batches."""

KEPT_SAVES: Final = 2
"""Saves without a reference to a file before it is deleted. The engine begins no epoch before all
earlier ones are committed everywhere, so during one save the manifest of the one before is
committed, and nothing older can be resumed. That takes one save; the other is a margin."""

ALIGNMENT: Final = 8
"""Lengths of Arrow streams are multiples of this, so that each can be mapped at its place."""

SUFFIX: Final = ".seg"


@dataclass(frozen=True, slots=True)
class Segments:
    """The folder of segment files of a process."""

    folder: Path

    def snapshots(self) -> "Snapshots":
        """Return what saves and loads one key group; several may exist at once, in any thread."""
        return Snapshots(self)

    def write(self, pieces: Collection[bytes]) -> str:
        """Write pieces durably to a new file, and return its name, which is never reused."""
        name = f"{uuid4().hex}{SUFFIX}"
        path = self.folder / name
        try:
            write_lasting(path, pieces, written=lambda: reach("segment.before_sync"))
        except OSError as error:
            msg = (
                f"{path} cannot be written: {error.strerror}; make room or mend the disk of the "
                "state directory, then start again: nothing is lost"
            )
            raise SegmentError(msg) from error
        reach("segment.after_sync")
        return name

    def read(self, part: SegmentPart, opened: dict[str, pa.MemoryMappedFile]) -> bytes | pa.Buffer:
        """Read and check the bytes of a batch; `opened` holds the open files of one load."""
        name = str(self.folder / part.file) if isinstance(part, Stored) else "the recovery store"
        try:
            data = self._map(part, opened) if isinstance(part, Stored) else part.data
        except (OSError, pa.ArrowInvalid) as error:
            msg = f"{name} cannot be read: {error}; {WAYS_OUT}"
            raise SegmentError(msg) from error
        if len(data) != part.length or crc32(data) != part.crc:
            msg = f"{name} is damaged: the checksum of a batch in it differs; {WAYS_OUT}"
            raise SegmentError(msg)
        return data

    def _map(self, part: Stored, opened: dict[str, pa.MemoryMappedFile]) -> pa.Buffer:
        if part.file not in opened:
            opened[part.file] = pa.memory_map(str(self.folder / part.file))
        opened[part.file].seek(part.offset)
        data = opened[part.file].read_buffer(part.length)
        return data if part.length >= MAP_BYTES else pa.py_buffer(data.to_pybytes())


@dataclass(slots=True)
class _Kept:
    """A batch of the latest manifest. The reference keeps its id() from being reused."""

    batch: pa.RecordBatch
    part: SegmentPart


class Snapshots:
    """Saves and loads the state of one key group."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._kept: dict[int, _Kept] = {}
        self._sizes: dict[str, int] = {}
        self._last_named: dict[str, int] = {}
        self._saves = 0

    def save(self, state: Batches) -> Manifest:
        """Store the new batches, and return the manifest of all; raises SegmentError."""
        batches = {id(batch): batch for named in state.values() for batch in named}
        if batches.keys() != self._kept.keys():
            self._kept = {
                key: self._kept.get(key) or _Kept(batch, _inline(batch))
                for key, batch in batches.items()
            }
            self._give_up_files()
            self._write_rest()
        self._saves += 1
        self._retire()
        return Manifest(
            {name: [self._kept[id(batch)].part for batch in named] for name, named in state.items()}
        )

    def load(self, manifest: Manifest) -> Batches:
        """Return the batches of a manifest, which now count as stored; raises SegmentError."""
        opened: dict[str, pa.MemoryMappedFile] = {}
        state: Batches = {name: [] for name in manifest.batches}
        for name, parts in manifest.batches.items():
            for part in parts:
                batch = _batch(self._segments.read(part, opened))
                self._kept[id(batch)] = _Kept(batch, part)
                state[name].append(batch)
        self._sizes |= {name: file.size() for name, file in opened.items()}
        self._last_named |= dict.fromkeys(opened, self._saves)
        return state

    def _give_up_files(self) -> None:
        """Mark the live batches of mostly dead files to be rewritten with the new ones."""
        live = dict.fromkeys(self._sizes, 0)
        for part in self._stored():
            live[part.file] += part.length
        poor = {file for file, size in self._sizes.items() if live[file] < size * LIVE_SHARE}
        for kept in self._kept.values():
            if isinstance(kept.part, Stored) and kept.part.file in poor:
                kept.part = _inline(kept.batch)
        self._sizes = {file: size for file, size in self._sizes.items() if file not in poor}

    def _write_rest(self) -> None:
        """Write the batches that are in no file to a new one, from INLINE_BYTES on."""
        rest = {key: kept.part for key, kept in self._kept.items() if isinstance(kept.part, Inline)}
        if sum(part.length for part in rest.values()) < INLINE_BYTES:
            return
        file, offset = self._segments.write([part.data for part in rest.values()]), 0
        for key, part in rest.items():
            self._kept[key].part = Stored(part.rows, part.crc, part.length, file, offset)
            offset += part.length
        self._sizes[file] = offset

    def _stored(self) -> Iterator[Stored]:
        return (kept.part for kept in self._kept.values() if isinstance(kept.part, Stored))

    def _retire(self) -> None:
        """Delete the files that KEPT_SAVES manifests have not referred to."""
        for part in self._stored():
            self._last_named[part.file] = self._saves
        for file, last in list(self._last_named.items()):
            if self._saves - last > KEPT_SAVES:
                del self._last_named[file]
                with suppress(OSError):  # the next start deletes what remains
                    (self._segments.folder / file).unlink()


def _inline(batch: pa.RecordBatch) -> Inline:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    data = sink.getvalue().to_pybytes()
    assert len(data) % ALIGNMENT == 0
    return Inline(batch.num_rows, crc32(data), data)


def _batch(data: bytes | pa.Buffer) -> pa.RecordBatch:
    return pa.ipc.open_stream(data).read_next_batch()


def absent(segments: Segments, manifest: Manifest) -> Iterator[str]:
    """Yield a sentence for each file of a manifest that is missing or too short; reads none."""
    ends: dict[str, int] = {}
    for part in manifest.stored:
        ends[part.file] = max(ends.get(part.file, 0), part.offset + part.length)
    for name, end in ends.items():
        path = segments.folder / name
        size = path.stat().st_size if path.exists() else None
        if size is None:
            yield f"{path} is missing; {WAYS_OUT}"
        elif size < end:
            yield f"{path} is damaged: it has {size} bytes, expected {end}; {WAYS_OUT}"


def faults(segments: Segments, manifest: Manifest) -> Iterator[str]:
    """Yield the differences between the files and a manifest; reads every byte."""
    opened: dict[str, pa.MemoryMappedFile] = {}
    for part in manifest.parts:
        try:
            segments.read(part, opened)
        except SegmentError as error:
            yield str(error)


def unnamed(segments: Segments, named: Collection[str]) -> list[Path]:
    """Return the files without a reference: those not in `named`, and unfinished ones."""
    ours = (path for path in segments.folder.iterdir() if path.suffix in {SUFFIX, UNFINISHED})
    return sorted(path for path in ours if path.name not in named)
