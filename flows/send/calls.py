"""A file of events or saved calls, as the calls that send it.

A line is an event, or a call of log-event with its events: as it was posted, or as a raw stream
keeps it. A file may also be one call, spread over lines. Numbers stay as they are written.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from attribution.contract.document import (
    JsonObject,
    Unreadable,
    read_document,
    write_document,
)
from connectors.errors import OperatorError


class SendError(OperatorError):
    """A file cannot be sent as asked; the message says what to add."""


_SET_BY_SERVER = ("advertiser_id", "received_at", "events")


@dataclass(frozen=True, slots=True)
class Call:
    """Events of one advertiser as JSON texts, and the other fields of their call."""

    advertiser_id: str
    fields: dict[str, Any]
    events: list[str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be sent, by its number from 1, and its text."""

    line: int
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a file; `advertiser` and `source` are those of events that are lines themselves.

    Of a saved call, `advertiser` replaces its own.
    """

    advertiser: str | None
    source: str | None
    batch: int

    def calls(self, lines: Iterable[bytes]) -> Iterator[Call | BadLine]:
        """Yield calls in the order of the lines, events together up to `batch`.

        Raises SendError for an event where nobody says whose it is.
        """
        events: list[str] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            document = read_document(line)
            if isinstance(document, Unreadable):
                yield BadLine(number, document.message, line.decode(errors="replace"))
            elif "events" in document:
                yield self._saved(number, document)
            elif self.advertiser is None or self.source is None:
                msg = f"line {number} is an event, which needs --advertiser and --source"
                raise SendError(msg)
            else:
                events.append(write_document(document).decode())
            if len(events) == self.batch:
                yield self._of_lines(events)
                events = []
        if events:
            yield self._of_lines(events)

    def _saved(self, number: int, document: JsonObject) -> Call | BadLine:
        advertiser, events = self.advertiser or document.get("advertiser_id"), document["events"]
        text = write_document(document).decode()
        if not isinstance(advertiser, str):
            return BadLine(number, "a call without advertiser_id needs --advertiser", text)
        if not isinstance(events, list) or not events:
            return BadLine(number, "events of a call are an array of at least one", text)
        head = JsonObject([pair for pair in document.pairs if pair[0] not in _SET_BY_SERVER])
        return Call(
            advertiser,
            json.loads(write_document(head)),
            [write_document(each).decode() for each in events],
        )

    def _of_lines(self, events: list[str]) -> Call:
        assert self.advertiser is not None, "checked for each of them"
        return Call(self.advertiser, {"event_source_id": self.source}, events)


def lines_of(content: bytes) -> list[bytes]:
    """Return the lines of a file; one call that is spread over lines is one of them."""
    is_one = not isinstance(read_document(content), Unreadable)
    return [content] if is_one else content.split(b"\n")
