"""Reads the documents of a stream, line by line, and says when each arrived.

It knows files and the order of arrival; of a document's content only its times. Topic partitions
come as files too, `<stream>/<partition>.messages`, each a MessagePack list of (offset, value).
Instants are microseconds; `received_at` is always the effective one.
"""

import gzip
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from attribution.contract.document import JsonObject, Unreadable, read_document
from attribution.contract.times import parse_time

JSON_WHITESPACE: Final = b" \t\r"
MESSAGES: Final = ".messages"

Lifts = Mapping[tuple[str, str, int], int]
"""What a live run promised before it read a record (stream, partition, offset): no document of the
partition from there on counts as received earlier than that."""


Readings = Mapping[tuple[str, str], Sequence[tuple[int, int, int]]]
"""When a live run read documents that were ahead of its clock: of each stream and partition, the
first and the last offset, and that instant."""

Place = tuple[str, str, int]
"""Stream, partition and offset of a document."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a run noted for those who read its log again; a replay notes only when it `started`."""

    late_records: Lifts = field(default_factory=dict)
    read_times: Readings = field(default_factory=dict)
    started: int | None = None

    def read_at(self, place: Place) -> int | None:
        """Return the clock by which a document was read, where that is known."""
        stream, partition, offset = place
        for first, last, read_at in self.read_times.get((stream, partition), ()):
            if first <= offset <= last:
                return read_at
        return self.started

    def judged_at(self, arrival: "Arrival") -> int | None:
        """Return as of when a document's source is looked up: never later than it was read."""
        read_at = self.read_at((arrival.stream, arrival.partition, arrival.offset))
        if arrival.received_at is None or read_at is None:
            return arrival.received_at
        return min(arrival.received_at, read_at)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a document lay and when it arrived (None: nothing said when).

    `is_ahead` if what it said itself was too far ahead of the clock.
    """

    stream: str
    partition: str
    offset: int
    received_at: int | None
    is_ahead: bool = False


def arrivals(
    folder: Path, stream: str, noted: Noted, *, skew: int
) -> Iterator[tuple[Arrival, JsonObject | Unreadable]]:
    """Yield every document with its effective `received_at`: a file's never goes back."""
    for partition, path in _partitions(folder, stream):
        latest: int | None = None
        for offset, line in _documents(path):
            document = read_document(line)
            place = (stream, partition, offset)
            late, read_at, is_ahead = noted.late_records.get(place), noted.read_at(place), False
            latest = max((time for time in (latest, late) if time is not None), default=None)
            if not isinstance(document, Unreadable):
                stamped = _instant(document.get("received_at"))
                if stamped is not None and read_at is not None and stamped > read_at + skew:
                    stamped, is_ahead = None, True
                known = [time for time in (stamped, latest) if time is not None]
                latest = max(known) if known else OWN_TIME[stream](document)
            yield Arrival(stream, partition, offset, latest, is_ahead), document


def _partitions(folder: Path, stream: str) -> list[tuple[str, Path]]:
    """Name a stream's files without the suffix of their compression."""
    found: dict[str, Path] = {}
    for suffix in ("", ".gz", ".zst"):
        for path in folder.glob(f"{stream}*.ndjson{suffix}"):
            name = path.name.removesuffix(suffix)
            assert name not in found, f"two files of {folder} are the partition {name}"
            found[name] = path
    found |= {path.stem: path for path in (folder / stream).glob(f"*{MESSAGES}")}
    return sorted(found.items())


def _documents(path: Path) -> Iterator[tuple[int, bytes]]:
    if path.suffix == MESSAGES:
        yield from msgspec.msgpack.decode(path.read_bytes(), type=list[tuple[int, bytes]])
    else:
        yield from _lines(path)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, each with its number from 0."""
    for number, line in enumerate(_content(path).removeprefix(BOM_UTF8).split(b"\n")):
        if line.strip(JSON_WHITESPACE):
            yield number, line


def _content(path: Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        with pa.input_stream(str(path), compression="zstd") as stream:
            return bytes(stream.read())
    return path.read_bytes()


def _instant(given: object) -> int | None:
    parsed = parse_time(given)
    return None if parsed is None else parsed.microseconds


def _impression_time(document: JsonObject) -> int | None:
    return _instant(document.get("time"))


def _latest_event_time(document: JsonObject) -> int | None:
    events = document.get("events")
    members = events if isinstance(events, list) else []
    times = [_instant(event.get("event_time")) for event in members if isinstance(event, dict)]
    return max((time for time in times if time is not None), default=None)


OWN_TIME: Final[dict[str, Callable[[JsonObject], int | None]]] = {
    "events": _latest_event_time,
    "impressions": _impression_time,
}
"""When a document arrived if neither it nor its partition says so."""
