"""What is noticed of files by their marks: that they grew, are others, came or went."""

from pathlib import Path

import pytest

from connectors.files.marks import changes, marks

LONG = bytes(range(256)) * 1_000


@pytest.mark.parametrize("before", [b"", b"one\n", LONG])
def test_files_that_are_as_they_were(before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(before)
    assert list(changes(marks([path]), [path])) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"one\n", b"one\ntwo\n", "has grown from 4 to 8 bytes"),
        (b"", b"one\n", "has grown from 0 to 4 bytes"),
        (LONG, LONG + LONG, "has grown from 256,000 to 512,000 bytes"),
        (b"one\n", b"two\n", "is another than the one that was read"),
        (b"one\n", b"two\none\n", "is another than the one that was read"),
        (b"one\n", b"on", "is another than the one that was read"),
        (LONG, b"!" + LONG[1:], "is another than the one that was read"),
        (LONG, LONG[:-1] + b"!", "is another than the one that was read"),
    ],
)
def test_a_file_that_has_changed(before: bytes, after: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(before)
    noted = marks([path])
    path.write_bytes(after)
    assert list(changes(noted, [path])) == [f"events.ndjson {said}"]


def test_files_that_come_and_go(tmp_path: Path) -> None:
    old, new = tmp_path / "events-1.ndjson", tmp_path / "events-2.ndjson"
    old.touch()
    noted = marks([old, new])
    old.rename(new)
    assert list(changes(noted, [new])) == [
        "events-1.ndjson is not there",
        "events-2.ndjson has come since",
    ]
