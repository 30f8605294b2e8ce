"""Folders of streams: which files count, how they are cut into chunks, which is read first."""

import gzip
from pathlib import Path

import pytest

from attribution.contract.document import MAX_DOCUMENT_BYTES
from attribution.frames import END, START
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decode import PartitionDecoder
from connectors.files import Lane, LogError, LogFile, Partition, find_files
from tests.raw import HOUR, Document, impression, since_epoch, write_log

REGISTRY = Registry.from_documents([], allow_unregistered=True)


def partition(path: Path, chunk_bytes: int) -> Partition:
    file = LogFile("impressions", path)
    decoder = PartitionDecoder(file.stream, file.partition, policy=Policy(), registry=REGISTRY)
    return Partition(file, decoder, chunk_bytes)


def names(path: Path, chunk_bytes: int) -> list[list[str]]:
    """Read a file to its end; give the impression ids of each chunk."""
    reading, chunks = partition(path, chunk_bytes), []
    while (decoded := reading.read()) is not None:
        chunks.append(decoded.rows["impression_id"].to_pylist())
    assert reading.watermark == END
    return chunks


def test_streams_of_a_folder(tmp_path: Path) -> None:
    for name in (
        "events.ndjson",
        "events-1.ndjson.zst",
        "impressions-b.ndjson.gz",
        "impressions-a.ndjson",
        "truth.ndjson",
        "events.json",
        "event_sources.json",
    ):
        (tmp_path / name).touch()
    assert [(file.stream, file.partition) for file in find_files(tmp_path)] == [
        ("events", "events-1.ndjson"),
        ("events", "events.ndjson"),
        ("impressions", "impressions-a.ndjson"),
        ("impressions", "impressions-b.ndjson"),
    ]


def test_a_partition_must_not_lie_there_twice(tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").touch()
    (tmp_path / "events.ndjson.gz").touch()
    with pytest.raises(LogError, match=r"holds events\.ndjson twice"):
        find_files(tmp_path)


@pytest.mark.parametrize(("name", "said"), [("", "holds no events"), ("none", "is not a folder")])
def test_a_folder_without_streams(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(LogError, match=said):
        find_files(tmp_path / name)


@pytest.mark.parametrize("chunk_bytes", [1, 100, 250, 10_000])
@pytest.mark.parametrize("name", ["impressions.ndjson", "impressions.ndjson.gz"])
def test_chunks_hold_whole_lines(tmp_path: Path, name: str, chunk_bytes: int) -> None:
    ids = [f"i{number}" for number in range(5)]
    write_log(tmp_path, impressions={name: [impression(each) for each in ids]})
    chunks = names(tmp_path / name, chunk_bytes)
    assert [each for chunk in chunks for each in chunk] == ids
    assert len(chunks) == (5 if chunk_bytes <= 100 else 1 if chunk_bytes == 10_000 else len(chunks))


def test_the_last_line_needs_no_feed(tmp_path: Path) -> None:
    path = (
        write_log(tmp_path, impressions=[impression("a"), impression("b")]) / "impressions.ndjson"
    )
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert names(path, 10_000) == [["a"], ["b"]]


def test_a_line_beyond_the_limit_costs_nobody_else(tmp_path: Path) -> None:
    write_log(tmp_path, impressions=[impression("a"), b"?", impression("b")])
    path = tmp_path / "impressions.ndjson"
    path.write_bytes(path.read_bytes().replace(b"?", b'"' + b"x" * (MAX_DOCUMENT_BYTES + 9) + b'"'))
    reading = partition(path, 8_000_000)
    refused = []
    while (decoded := reading.read()) is not None:
        refused += decoded.rejections.select(["source_offset", "code"]).to_pylist()
    assert refused == [{"source_offset": 1, "code": "INVALID_REQUEST"}]


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "impressions.ndjson.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 10_000)[:40])
    with pytest.raises(LogError, match="cannot be read"):
        names(path, 1_000)


def test_a_lane_reads_whichever_file_lags(tmp_path: Path) -> None:
    files: dict[str, list[Document]] = {
        f"impressions-{name}.ndjson": [
            impression(f"{name}{hour}", received_at=hour * HOUR) for hour in hours
        ]
        for name, hours in (("a", (0, 5, 6)), ("b", (1, 2, 9)), ("c", (4,)))
    }
    write_log(tmp_path, impressions=files)
    lane = Lane([partition(tmp_path / name, 1) for name in files])
    order: list[str] = []
    marks = []
    while (read := lane.read()) is not None:
        order += [] if read[1] is None else read[1].rows["impression_id"].to_pylist()
        marks.append(lane.watermark("impressions"))
    assert order == ["a0", "a5", "b1", "b2", "b9", "c4", "a6"]
    assert marks == sorted(marks)
    assert (marks[0], marks[-1]) == (since_epoch(0), END)
    assert lane.watermark("events") == END


def test_before_reading_a_file_promises_its_first_arrival(tmp_path: Path) -> None:
    write_log(tmp_path, impressions=[impression(received_at=5 * HOUR)])
    reading = partition(tmp_path / "impressions.ndjson", 1)
    assert reading.watermark == START
    reading.peek()
    assert reading.watermark == since_epoch(5 * HOUR)
