"""A partition's order of arrival: chunk follows chunk, and time never goes back."""

import json
from collections.abc import Sequence

import pytest

from attribution.frames import START
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decode import PartitionDecoder
from tests.raw import HOUR, NOW, Document, envelope, event, impression, since_epoch


def decoder(stream: str) -> PartitionDecoder:
    registry = Registry.from_documents([], allow_unregistered=True)
    return PartitionDecoder(stream, "p", policy=Policy(), registry=registry)


def line(document: Document) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def arrivals(stream: str, *chunks: Sequence[Document]) -> tuple[list[int], list[int]]:
    """Give `received_at` of all rows, and the watermark after each chunk, since NOW in hours."""
    decoding, first, rows, marks = decoder(stream), 0, [], []
    for chunk in chunks:
        content = b"".join(line(document) + b"\n" for document in chunk)
        decoded = decoding.decode(content, first_line=first)
        first += len(chunk)
        rows += decoded.rows["received_at"].to_pylist()
        marks.append(decoded.watermark)
    return [_hours(at) for at in rows], [_hours(at) for at in marks]


def _hours(at: int) -> int:
    return START if at == START else (at - since_epoch(NOW)) // HOUR


def sent(hours: int | None) -> dict[str, object]:
    return impression(received_at=None if hours is None else NOW + hours * HOUR)


def test_arrival_is_lifted_to_the_partitions_latest() -> None:
    chunks = [[sent(1), sent(3), sent(2)], [sent(0), sent(None), sent(5)]]
    assert arrivals("impressions", *chunks) == ([1, 3, 3, 3, 3, 5], [3, 5])


def test_the_first_record_without_arrival_counts_by_its_time() -> None:
    first = impression(time=NOW - 2 * HOUR, received_at=None)
    assert arrivals("impressions", [b"{", first, sent(None), sent(1)]) == ([-2, -2, 1], [1])


def test_the_first_envelope_without_arrival_counts_by_its_latest_event() -> None:
    first = envelope(event("a", time=NOW - HOUR), event("b", time=NOW - 3 * HOUR), received_at=None)
    assert arrivals("events", [b"1", first], [envelope(event(), received_at=None)]) == (
        [-1, -1, -1],
        [-1, -1],
    )


def test_a_refused_record_lifts_too_an_unreadable_one_does_not() -> None:
    refused = impression(received_at=NOW + 4 * HOUR, type="view")
    unreadable = line(impression(received_at=NOW + 9 * HOUR)) + b"}"
    assert arrivals("impressions", [sent(1), refused, unreadable, sent(2)]) == ([1, 4], [4])


@pytest.mark.parametrize("stream", ["events", "impressions"])
def test_nothing_but_blank_lines(stream: str) -> None:
    decoded = decoder(stream).decode(b"\n \r\n\t", first_line=0)
    assert (decoded.records, decoded.rows.num_rows, decoded.rejections.num_rows) == (0, 0, 0)
    assert decoded.watermark == START


def test_lines_are_numbered_through_all_chunks() -> None:
    decoding = decoder("impressions")
    places = []
    for first, content in ((0, b"\n{\n"), (2, b"[]\n\n"), (4, b"1")):
        decoded = decoding.decode(content, first_line=first)
        places += decoded.rejections["source_offset"].to_pylist()
    assert places == [1, 2, 4]
