"""Whether an event lies in the files of a spool, in what arrived since a job last read them.

Lines are in the order of their arrival, so that only the end of a file is read.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import pyarrow as pa

from attribution.contract.document import Unreadable, read_document
from attribution.contract.times import parse_time
from connectors.spool.packing import COPY_BYTES, ENDING
from connectors.spool.store import Receipt

SEARCH_BYTES_MAX: Final = 64 << 20
"""Read in one search, newest file first: a tenth of a second."""

FOUND_MAX: Final = 100
"""Events that are found, and lines that are parsed for it."""

STEP_BYTES: Final = 1 << 20
"""The search for the first new line of a file ends that near to it."""

HEAD_BYTES: Final = 64
"""Of a line, with its arrival."""

CLOCK_SECONDS: Final = 1.0
"""By how much the time of a file may lag behind the arrival of its last line."""

STREAM: Final = "events"
OURS: Final = f"{STREAM}-api"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event of a stored call, which is durable; no job has judged it yet."""

    event_source_id: str
    event_type: str
    place: Receipt


@dataclass(slots=True)
class Search:
    """What was found; `is_whole` unless something was left unread."""

    found: list[StoredEvent] = field(default_factory=list)
    is_whole: bool = True


def find_event(folder: Path, advertiser_id: str, event_id: str, since: int | None) -> Search:
    """Search what arrived since an instant (us), or all, for an event of an advertiser.

    Raises OSError.
    """
    search, pattern, left = Search(), spellings(event_id), SEARCH_BYTES_MAX
    for path in _newest_first(folder, since):
        if not path.name.startswith(OURS):
            search.is_whole = False  # others stamp their lines as they like
            continue
        try:
            part = _read(path, since, left)
        except FileNotFoundError:  # packed a moment ago
            part = _read(path.with_name(path.name + ENDING), since, left)
        left -= len(part.text)
        search.is_whole &= part.is_whole
        for begin, line in part.lines_with(pattern):
            if len(search.found) >= FOUND_MAX:
                return Search(search.found, is_whole=False)
            found = _events_of(line, advertiser_id, event_id, part.place_of(begin, line))
            search.found += [each for each in found if each not in search.found]
    return search


def _newest_first(folder: Path, since: int | None) -> list[Path]:
    """Return the files of events that were written to since an instant (us)."""
    written = []
    for path in folder.glob(f"{STREAM}*.ndjson*"):
        try:
            at = path.stat().st_mtime
        except FileNotFoundError:
            continue  # packed a moment ago: the packed file is listed, too
        if since is None or at >= since / 1e6 - CLOCK_SECONDS:
            written.append((at, path))
    return [path for _, path in sorted(written, reverse=True)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Whole lines of a file, from a byte of it on."""

    path: Path
    start: int
    text: bytes
    is_whole: bool

    def lines_with(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that match, and where they begin in the text."""
        done = 0
        for match in pattern.finditer(self.text):
            if match.start() >= done:
                begin = self.text.rfind(b"\n", 0, match.start()) + 1
                done = self.text.index(b"\n", match.end()) + 1
                yield begin, self.text[begin:done]

    def place_of(self, begin: int, line: bytes) -> Receipt:
        """Return where a line lies; what is told of is synced before."""
        before = self.text.count(b"\n", 0, begin)
        with self.path.open("rb") as file:
            os.fdatasync(file.fileno())
            before += _count_lines(file, self.start)
        return Receipt(STREAM, self.path.name.removesuffix(ENDING), before, _arrival(line) or 0)


def _read(path: Path, since: int | None, limit: int) -> _Part:
    """Read the lines of a file that arrived since an instant, at most so many bytes."""
    if path.name.endswith(ENDING):
        with pa.input_stream(path, compression="detect") as packed:
            text, more = packed.read(limit), packed.read(1)
        return _Part(path, 0, text[: text.rfind(b"\n") + 1], is_whole=not more)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        first = 0 if since is None else _first_since(file, since, size)
        start = first
        if size - first > limit:
            file.seek(size - limit)
            file.readline()
            start = file.tell()
        file.seek(start)
        text = file.read(max(0, size - start))
    # A line without its end is cut when its writer starts again.
    return _Part(path, start, text[: text.rfind(b"\n") + 1], is_whole=start == first)


def _first_since(file: IO[bytes], since: int, size: int) -> int:
    """Return the begin of a line before which nothing arrived since an instant."""
    low, high = 0, size
    while high - low > STEP_BYTES:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        begin = file.tell()
        arrival = _arrival(file.read(HEAD_BYTES)) if begin < high else None
        if arrival is not None and arrival < since:
            low = begin
        else:
            high = middle
    return low


def _arrival(line: bytes) -> int | None:
    """Return when a line arrived (us): its writer stamps it first of all."""
    parts = line[:HEAD_BYTES].split(b'"')
    stamp = parse_time(parts[3].decode(errors="replace")) if len(parts) > 3 else None  # noqa: PLR2004  {"received_at":"…"
    return stamp.microseconds if stamp else None


def _count_lines(file: IO[bytes], size: int) -> int:
    """Return the number of lines in the first bytes of a file."""
    lines, left = 0, size
    while left and (chunk := file.read(min(COPY_BYTES, left))):
        lines, left = lines + chunk.count(b"\n"), left - len(chunk)
    return lines


def _events_of(
    line: bytes, advertiser_id: str, event_id: str, place: Receipt
) -> Iterator[StoredEvent]:
    """Yield the events of a stored call that have an id, if they are an advertiser's."""
    call = read_document(line)
    if isinstance(call, Unreadable) or call.get("advertiser_id") != advertiser_id:
        return
    events = call.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and event.get("event_id") == event_id:
            source, kind = call.get("event_source_id"), event.get("event_type")
            yield StoredEvent(str(source), str(kind), place)


_SHORT: Final = dict(zip('"\\/\b\f\n\r\t', '"\\/bfnrt', strict=True))
"""What follows the backslash in the short escape of a character."""


def spellings(text: str) -> re.Pattern[bytes]:
    """Return a pattern for a text as JSON, whichever characters its writer has escaped.

    Nobody escapes letters and digits.
    """
    return re.compile(b'"' + b"".join(map(_spelt, text)) + b'"')


def _spelt(character: str) -> bytes:
    raw = re.escape(character.encode(errors="surrogatepass"))
    if character.isascii() and (character.isalnum() or character in "_-.:"):
        return raw
    units = character.encode("utf-16-be", errors="surrogatepass").hex()
    escape = b"".join(
        rb"\\u(?i:%s)" % units[at : at + 4].encode() for at in range(0, len(units), 4)
    )
    short = [re.escape(b"\\" + _SHORT[character].encode())] if character in _SHORT else []
    return b"(?:" + b"|".join([raw, escape, *short]) + b")"
