"""Reads the files of a continuous run again, up to the offsets that its result contains."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import Next, PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.files.folder import LogError, LogFile, find_files
from connectors.files.whole_lines import decode_in_turn, read_whole_lines
from connectors.progress import Extent
from connectors.wording import counted


def decode_extents(
    folder: Path, extents: Sequence[Extent], policy: Policy, registry: Registry
) -> Iterator[Decoded]:
    """Decode the part of a folder's files that the result contains.

    Raises LogError when a file is gone, or shorter than before.
    """
    files = {(file.stream, file.partition): file for file in find_files(folder)} if extents else {}
    return decode_in_turn(_lines_of(folder, files, extents, policy, registry))


def _lines_of(
    folder: Path,
    files: Mapping[tuple[str, str], LogFile],
    extents: Sequence[Extent],
    policy: Policy,
    registry: Registry,
) -> Iterator[Next]:
    for extent in extents:
        file = files.get((extent.stream, extent.partition))
        if file is None:
            msg = (
                f"{folder / extent.partition} is gone, and the result is made of "
                f"{counted(extent.next_offset, 'line')} of it; put the file back (it may be "
                "packed), or name the folder it is in now"
            )
            raise LogError(msg)
        decoder = PartitionDecoder(
            extent.stream, extent.partition, policy=policy, registry=registry
        )
        yield from _extent_of(file, extent, decoder)


def _extent_of(file: LogFile, extent: Extent, decoder: PartitionDecoder) -> Iterator[Next]:
    done = 0
    for content in read_whole_lines(file):
        found = (Lines.of if done else Lines.at_beginning)(content)
        lines = _first(found, extent.next_offset - done)
        yield Next(
            decoder,
            lines,
            lines.numbered(done),
            late_records=extent.late_among(done, done + len(lines)),
            read_times=extent.read_times,
        )
        done += len(lines)
        if done == extent.next_offset:
            return
    if done < extent.next_offset:
        msg = (
            f"{file.path} ends after {counted(done, 'line')}, and the result is made of "
            f"{extent.next_offset:,}: it was cut short or replaced; put the right file back"
        )
        raise LogError(msg)


def _first(lines: Lines, count: int) -> Lines:
    if len(lines) <= count:
        return lines
    start = lines.start[: count + 1]
    return Lines(lines.chunk[: start[-1]], start)
