"""Folders of streams: which files count, how they are cut into chunks, which is read first."""

import errno
import gzip
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from attribution.columnar.frames import END, START
from attribution.contract.document import MAX_DOCUMENT_BYTES
from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.registry import Registry
from connectors import regular_files
from connectors.decoding.decoder import PartitionDecoder
from connectors.files.folder import LogError, LogFile, find_files, look_into
from connectors.files.intake import TailIntakes
from connectors.files.replay_lane import Lane, Partition
from connectors.regular_files import IrregularError, open_regular
from connectors.wording import shown
from tests.support.raw import HOUR, Document, impression, since_epoch, write_log

REGISTRY = Registry.from_documents([], allow_unregistered=True)


def partition(path: Path) -> Partition:
    file = LogFile("impressions", path)
    decoder = PartitionDecoder(file.stream, file.partition, policy=Policy(), registry=REGISTRY)
    return Partition(file, decoder)


def names(path: Path, chunk_bytes: int) -> list[list[str]]:
    """Read a file to its end; give the impression ids of each chunk."""
    return [
        decoded.rows["impression_id"].to_pylist()
        for decoded in decodeds(Lane([partition(path)], chunk_bytes))
    ]


def decodeds(lane: Lane) -> Iterator[Decoded]:
    """Read a lane to its end."""
    while (read := lane.read()) is not None:
        if read[1] is not None:
            yield read[1]
    assert lane.watermark("impressions") == END


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
    assert names(path, 10_000) == [["a", "b"]]
    assert names(path, 100) == [["a"], ["b"]]


def test_a_line_beyond_the_limit_costs_no_other_line(tmp_path: Path) -> None:
    write_log(tmp_path, impressions=[impression("a"), b"?", impression("b")])
    path = tmp_path / "impressions.ndjson"
    path.write_bytes(path.read_bytes().replace(b"?", b'"' + b"x" * (MAX_DOCUMENT_BYTES + 9) + b'"'))
    refused = []
    for decoded in decodeds(Lane([partition(path)], 8_000_000)):
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
    lane = Lane([partition(tmp_path / name) for name in files], 1)
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
    reading = partition(tmp_path / "impressions.ndjson")
    assert reading.watermark == START
    reading.peek()
    assert reading.watermark == since_epoch(5 * HOUR)


def irregular(folder: Path) -> list[socket.socket]:
    """Make one of each kind of file that is none, under the names of files of a log."""
    os.mkfifo(folder / "events-pipe.ndjson")
    (folder / "events-folder.ndjson").mkdir()
    (folder / "events-device.ndjson").symlink_to("/dev/zero")
    (folder / "events-broken.ndjson").symlink_to("nothing")
    (folder / "events-loop.ndjson").symlink_to("events-loop.ndjson")
    (folder / "impressions-pipe.ndjson.gz").symlink_to("events-pipe.ndjson")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.relpath(folder / "events-socket.ndjson"))
    return [listening]


IRREGULAR = {
    "events-broken.ndjson": "a link to what is not there",
    "events-device.ndjson": "a device",
    "events-folder.ndjson": "a folder",
    "events-loop.ndjson": "a link that leads back to itself",
    "events-pipe.ndjson": "a pipe",
    "events-socket.ndjson": "a socket",
    "impressions-pipe.ndjson.gz": "a pipe",
}


def test_only_regular_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").write_bytes(b"{}\n")
    (tmp_path / "events-link.ndjson").symlink_to("elsewhere")
    (tmp_path / "events-hard.ndjson").hardlink_to("elsewhere")
    (tmp_path / "impressions.ndjson").write_bytes(b"{}\n")
    opened = irregular(tmp_path)
    found = look_into(tmp_path)
    assert found.left == IRREGULAR
    assert sorted(file.path.name for file in found.files) == [
        "events-hard.ndjson",
        "events-link.ndjson",
        "impressions.ndjson",
    ]
    for name, why in IRREGULAR.items():
        with pytest.raises(IrregularError, match=why):
            open_regular(tmp_path / name)
    for each in opened:
        each.close()


def test_a_file_that_becomes_a_pipe_between_look_and_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "events.ndjson")
    monkeypatch.setattr(regular_files, "kind_of", lambda path: None if path else "")
    with pytest.raises(IrregularError, match="a pipe"):
        open_regular(tmp_path / "events.ndjson")


KNOWN = ("events.ndjson", "impressions.ndjson", "event_sources.json", "truth.json", ".x.json")
"""Files that nothing needs to be said about."""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("events.jsonl", "does not end in"),
        ("events.json", "does not end in"),
        ("events.ndjson.tmp", "does not end in"),
        ("impressions.parquet", "does not end in"),
        ("measurements.json", "does not end in"),
        ("events.NDJSON", "lower case"),
        ("Events.ndjson", "lower case"),
        ("impressions.ndjson.GZ", "lower case"),
        ("events.ndjson.bz2", r"only \.gz and \.zst"),
        ("conversions.ndjson", "begins with none of"),
        ("clicks.csv.gz", "begins with none of"),
        ("2026/", "a folder"),
        ("event\n.json", "begins with none of"),
    ],
)
def test_what_is_passed_over_is_named(tmp_path: Path, name: str, why: str) -> None:
    for each in KNOWN:
        (tmp_path / each).touch()
    assert list(look_into(tmp_path).not_read()) == []
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    (said,) = look_into(tmp_path).not_read()
    assert re.search(rf"{re.escape(shown(name.strip('/')))} \(.*{why}", said)
    assert "\n" not in said


def test_of_many_that_are_passed_over_some_are_named(tmp_path: Path) -> None:
    for number in range(1_012):
        (tmp_path / f"events-{number:04d}.jsonl").touch()
    (said,) = look_into(tmp_path).not_read()
    assert said.count("jsonl") == 10
    assert said.endswith(" and 1,002 more")
    with pytest.raises(LogError, match=r"holds no events.* not read: events-0000\.jsonl"):
        find_files(tmp_path)


def test_a_stream_without_files_is_said(tmp_path: Path) -> None:
    (tmp_path / "impressions.ndjson").touch()
    assert list(look_into(tmp_path).missing()) == [
        f"{tmp_path} holds no events*.ndjson: nothing can be attributed without"
    ]


def forbid(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Refuse to open a path, as its mode does for every user but root."""
    really = os.open

    def refuse(opened: str | Path, *rest: int) -> int:
        if Path(opened) == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return really(opened, *rest)

    monkeypatch.setattr(os, "open", refuse)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "impressions.ndjson"
    path.write_bytes(b"{}\n")
    forbid(monkeypatch, path)
    with pytest.raises(LogError, match="Permission denied; let this user read the file"):
        partition(path).peek()
    intake = TailIntakes(tmp_path, 1, listing_interval=0).open(0, {})
    intake.look_around()
    with pytest.raises(LogError, match="Permission denied; let this user read the file"):
        intake.poll([])
