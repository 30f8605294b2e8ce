"""A partition's order of arrival: chunk follows chunk, and time never goes back."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from attribution.columnar.columns import Ints
from attribution.columnar.frames import START
from attribution.decoded import Decoded, LateRecords
from attribution.policy import Policy
from attribution.registry import Registry, SourceVersion
from attribution.vocabulary import Code
from connectors.decoding.decoder import Next, PartitionDecoder, decode_together
from connectors.decoding.lines import Lines
from tests.support.raw import HOUR, NOW, Document, envelope, event, impression, since_epoch

REGISTRY = Registry.from_documents([], allow_unregistered=True)


def decoder(stream: str) -> PartitionDecoder:
    return PartitionDecoder(stream, "p", policy=Policy(), registry=REGISTRY)


def numbered(content: bytes, first: int) -> tuple[Lines, Ints]:
    lines = Lines.of(content)
    return lines, lines.numbered(first)


def line(document: Document) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def arrivals(stream: str, *chunks: Sequence[Document]) -> tuple[list[int], list[int]]:
    """Return `received_at` of all rows, and the watermark after each chunk, since NOW in hours."""
    decoding, first, rows, marks = decoder(stream), 0, [], []
    for chunk in chunks:
        content = b"".join(line(document) + b"\n" for document in chunk)
        decoded = decoding.decode(*numbered(content, first))
        first += len(chunk)
        rows += decoded.rows["received_at"].to_pylist()
        marks.append(decoded.parts[0].watermark)
    return [_hours(at) for at in rows], [_hours(at) for at in marks]


def _hours(at: int) -> int:
    return START if at == START else (at - since_epoch(NOW)) // HOUR


def sent(hours: int | None) -> dict[str, object]:
    return impression(received_at=None if hours is None else NOW + hours * HOUR)


def test_arrival_is_raised_to_the_partitions_latest() -> None:
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
    decoded = decoder(stream).decode(*numbered(b"\n \r\n\t", 0))
    assert (decoded.records, decoded.rows.num_rows, decoded.rejections.num_rows) == (0, 0, 0)
    assert decoded.parts[0].watermark == START


def lifted(
    stream: str, *documents: Document, promised: int
) -> tuple[list[int], LateRecords | None]:
    """Decode one chunk below a promise; give arrivals since NOW in hours, and the late."""
    content = b"".join(line(document) + b"\n" for document in documents)
    decoded = decoder(stream).decode(
        *numbered(content, 5), promised=since_epoch(NOW + promised * HOUR)
    )
    times = [
        *decoded.rows["received_at"].to_pylist(),
        *decoded.rejections["received_at"].to_pylist(),
    ]
    return sorted(map(_hours, times)), decoded.parts[0].late


def test_what_arrives_below_the_watermark_is_raised_to_it() -> None:
    arrived, late = lifted("impressions", sent(1), sent(None), sent(2), sent(3), promised=2)
    assert (arrived, late) == ([2, 2, 2, 3], LateRecords(5, 6, since_epoch(NOW + 2 * HOUR)))


def test_what_arrives_at_the_watermark_is_not_raised() -> None:
    assert lifted("impressions", sent(2), sent(1), promised=2) == ([2, 2], None)


def test_a_lift_leaves_no_first_record_whose_own_time_would_count() -> None:
    """As when it is read again: the maximum is raised before the line that was lifted."""
    first = impression(time=NOW + 9 * HOUR, received_at=None)
    assert lifted("impressions", first, promised=2) == ([9], None)
    arrived, late = lifted("impressions", b"{", first, promised=2)
    assert (arrived, late) == ([2, 2], LateRecords(5, 5, since_epoch(NOW + 2 * HOUR)))


def test_messages_keep_their_offsets_and_an_empty_one_is_refused() -> None:
    spread = json.dumps(sent(1), indent=1).encode()
    lines = Lines.of_documents([spread, b"", line(sent(2)), line(sent(3)) + b"\n{}"])
    decoded = decoder("impressions").decode(lines, np.array([3, 7, 8, 9]))
    assert decoded.records == 4
    assert sorted(decoded.offsets[decoded.rows["line"].to_numpy()].tolist()) == [3, 8]
    assert decoded.rejections["source_offset"].to_pylist() == [7, 9]


@pytest.mark.parametrize("stream", ["events", "impressions"])
def test_partitions_decoded_together_are_as_apart(stream: str) -> None:
    def document(hour: int | None) -> bytes:
        at = None if hour is None else NOW + hour * HOUR
        return line(envelope(event(), received_at=at) if stream == "events" else sent(hour))

    contents = [
        b"\n".join([document(None), b"{", document(3), document(1)]),
        b"\n" + document(2) + b"\n",
        b"[]",
    ]
    promised = since_epoch(NOW + 2 * HOUR)

    def nexts() -> list[Next]:
        return [
            Next(
                PartitionDecoder(stream, name, policy=Policy(), registry=REGISTRY), *read, promised
            )
            for name, read in zip("abc", (numbered(each, 7) for each in contents), strict=True)
        ]

    together = decode_together(nexts())
    apart = [decode_together([each]) for each in nexts()]
    assert together.parts == tuple(part for each in apart for part in each.parts)
    assert [part.late is None for part in together.parts] == [False, True, False]
    assert together.records == sum(each.records for each in apart)
    assert _placed([together]) == _placed(apart)
    assert together.rejections.to_pylist() == [
        row for each in apart for row in each.rejections.to_pylist()
    ]


def _placed(chunks: Sequence[Decoded]) -> list[tuple[str, int, int]]:
    return sorted(
        row
        for each in chunks
        for row in zip(
            *(column.to_pylist() for column in each.places(each.rows["line"].to_numpy()).values()),
            each.rows["received_at"].to_pylist(),
            strict=True,
        )
    )


def test_lines_are_numbered_through_all_chunks() -> None:
    decoding = decoder("impressions")
    places = []
    for first, content in ((0, b"\n{\n"), (2, b"[]\n\n"), (4, b"1")):
        decoded = decoding.decode(*numbered(content, first))
        places += decoded.rejections["source_offset"].to_pylist()
    assert places == [1, 2, 4]


def test_a_source_is_looked_up_once_per_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that has changed once is so for good, and may not make each of its events cost."""
    looked_up = list[int]()
    lookup = Registry.lookup

    def counted(registry: Registry, *name: str, at: int | None) -> SourceVersion | None:
        assert at is not None
        looked_up.append(at)
        return lookup(registry, *name, at=at)

    monkeypatch.setattr(Registry, "lookup", counted)
    whole = SourceVersion(advertiser_id="adv", event_source_id="src", name="whole")
    begin, change, end = (since_epoch(NOW + at) for at in (100, 200, 300))
    versions = (
        replace(whole, valid_from=begin, valid_to=change),
        replace(whole, valid_from=change, valid_to=end, event_types=frozenset({"lead"})),
    )
    registry = Registry(versions={("adv", "src"): versions})
    decoding = PartitionDecoder("events", "p", policy=Policy(), registry=registry)
    log = [line(envelope(event(f"e{at}"), received_at=NOW + at)) for at in range(400)]
    decoded = decoding.decode(Lines.of_documents(log), np.arange(400))
    assert decoded.rows["event_id"].to_pylist() == [f"e{at}" for at in range(100, 200)]
    codes = dict.fromkeys([*range(100), *range(300, 400)], Code.REFERENCE_NOT_FOUND)
    codes |= dict.fromkeys(range(200, 300), Code.INVALID_EVENT_TYPE)
    refused = decoded.rejections.to_pylist()
    assert {row["source_offset"]: row["code"] for row in refused} == codes
    assert len(looked_up) == 4


@pytest.mark.parametrize("before", [0, 3_000, 20_000])
@pytest.mark.parametrize("stream", ["events", "impressions"])
def test_a_record_spread_over_two_lines_is_two_rejections(stream: str, before: int) -> None:
    """DuckDB reports a fault in its first rows and one far behind them in different ways."""
    sound = line(impression() if stream == "impressions" else envelope(event()))
    half = sound.index(b"{", 1)
    lines = [*[sound] * before, sound[:half], sound[half:], *[sound] * 5]
    decoded = decoder(stream).decode(*numbered(b"\n".join([*lines, b""]), 0))
    assert decoded.rejections["source_offset"].to_pylist() == [before, before + 1]
    assert (decoded.records, decoded.rows.num_rows) == (len(lines), before + 5)


@pytest.mark.parametrize("says_test", ["envelope", "source"])
def test_a_test_event_is_judged_by_its_source_too(says_test: str) -> None:
    of_source = {"test_event_code": "T"} if says_test == "source" else {}
    source = {"advertiser_id": "adv", "event_source_id": "src", "event_types": ["lead"]}
    registry = Registry.from_documents([source | of_source], allow_unregistered=False)
    sent = {"test_event_code": "T"} if says_test == "envelope" else {}
    document = envelope(
        event("good", event_type="lead"), event("bad"), event("worse", event_time="x")
    )
    decoding = PartitionDecoder("events", "p", policy=Policy(), registry=registry)
    decoded = decoding.decode(*numbered(line(document | sent), 0))
    assert (decoded.rows.num_rows, decoded.rejections.num_rows) == (0, 0)
    tests = {row["event_id"]: row["code"] for row in decoded.tests.to_pylist()}
    assert tests == {"good": None, "bad": Code.INVALID_EVENT_TYPE, "worse": Code.INVALID_EVENT_TIME}
