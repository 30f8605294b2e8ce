"""Accepted documents on disk: in order, whole, and once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from connectors.spool import writer
from connectors.spool.store import StoreFullError
from connectors.spool.writer import Spool, SpoolError, stamped
from tests.support.raw import DAY, since_epoch


def opened(folder: Path, failures: list[OSError] | None = None) -> Spool:
    return Spool(folder, "events", (failures if failures is not None else []).append)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files hold, packed or not, by the name of the plain file."""
    found = {path.name: path.read_bytes() for path in folder.glob("*.ndjson")}
    for path in folder.glob("*.ndjson.zst"):
        with pa.CompressedInputStream(str(path), "zstd") as packed:
            found[path.name.removesuffix(".zst")] = packed.read()
    return dict(sorted(found.items()))


def lines_of(folder: Path) -> list[bytes]:
    return [line for content in contents(folder).values() for line in content.splitlines()]


def test_what_was_acknowledged_lies_where_the_receipt_says(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with ThreadPoolExecutor(8) as senders:
        documents = [json.dumps({"n": number}).encode() for number in range(500)]
        receipts = list(senders.map(lambda each: spool.append(each, "adv").result(10), documents))
    spool.close()
    lines = {name: content.splitlines() for name, content in contents(tmp_path).items()}
    for document, receipt in zip(documents, receipts, strict=True):
        found = json.loads(lines[receipt.partition][receipt.offset])
        assert found["n"] == json.loads(document)["n"]
    stamps = [json.loads(line)["received_at"] for line in lines_of(tmp_path)]
    assert stamps == sorted(stamps)
    assert len(stamps) == 500


def test_the_stamp_comes_first_so_that_no_sender_sets_it() -> None:
    line = stamped(b' {"received_at":"1999-01-01T00:00:00Z"}', since_epoch(DAY))
    assert line.startswith(b'{"received_at":"2026-04-02T00:00:00.000000Z",')
    assert line.endswith(b"}\n")


def test_an_unfinished_line_of_a_crash_is_cut_but_not_that_of_another(tmp_path: Path) -> None:
    mine, other = tmp_path / "events-api0-1.ndjson", tmp_path / "events-api1-1.ndjson"
    for path in (mine, other):
        path.write_bytes(b'{"a":1}\n{"b"')
    spool = opened(tmp_path)
    assert contents(tmp_path)[mine.name] == b'{"a":1}\n'
    assert other.read_bytes() == b'{"a":1}\n{"b"'
    second = opened(tmp_path)
    assert second.append(b'{"c":1}', "adv").result(10).partition.startswith("events-api1-")
    spool.close()
    second.close()


@pytest.mark.parametrize(
    ("content", "left"),
    [(b"", b""), (b"x" * 50, b""), (b"ab\n" + b"x" * 50, b"ab\n"), (b"ab\ncd\n", b"ab\ncd\n")],
)
def test_the_last_line_feed_is_found_from_the_end(
    tmp_path: Path, content: bytes, left: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TAIL_BYTES", 7)
    (tmp_path / "events-api0-1.ndjson").write_bytes(content)
    opened(tmp_path).close()
    assert contents(tmp_path) == {"events-api0-1.ndjson": left}


def test_packing_that_was_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    plain = tmp_path / "events-api0-1.ndjson"
    plain.write_bytes(b'{"a":1}\n')
    (tmp_path / ".events-api0-1.ndjson.zst.part").write_bytes(b"half")
    changed = plain.stat().st_mtime_ns
    opened(tmp_path).close()
    packed = tmp_path / "events-api0-1.ndjson.zst"
    assert packed.stat().st_mtime_ns == changed
    assert not plain.exists()
    plain.write_bytes(b'{"a":1}\n')  # the crash came before the plain file was deleted
    opened(tmp_path).close()
    assert [path.name for path in tmp_path.glob("events*")] == [packed.name]
    assert contents(tmp_path) == {plain.name: b'{"a":1}\n'}


def test_a_probe_is_answered_by_a_sync_and_stores_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.probe().result(10)
    assert spool.append(b'{"a":1}', "adv").result(10).offset == 0
    spool.probe().result(10)
    assert spool.append(b'{"a":2}', "adv").result(10).offset == 1
    spool.close()
    assert len(lines_of(tmp_path)) == 2


def test_files_are_closed_when_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FILE_BYTES_MAX", 1)
    spool = opened(tmp_path)
    names = {spool.append(b'{"a":1}', "adv").result(10).partition for _ in range(3)}
    spool.close()
    assert names == set(contents(tmp_path))
    assert len(names) == 3
    assert len(list(tmp_path.glob("*.zst"))) == 2, "the last file is not at rest yet"


def test_a_full_queue_refuses_and_takes_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUEUE_BYTES_MAX", 100)
    spool = opened(tmp_path)
    with pytest.raises(StoreFullError):
        spool.append(b" " * 101, "adv")
    assert spool.append(b'{"a":1}', "adv").result(10).offset == 0
    spool.close()


def test_after_a_failed_write_nothing_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[OSError] = []
    spool = opened(tmp_path, failures)

    def fails(descriptor: int) -> None:
        raise OSError(28, f"No space left on device ({descriptor})")

    monkeypatch.setattr("os.fdatasync", fails)
    with pytest.raises(OSError, match="No space left"):
        spool.append(b'{"a":1}', "adv").result(10)
    with pytest.raises(StoreFullError):
        spool.append(b'{"b":1}', "adv")
    assert len(failures) == 1
    spool.close()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="none cannot be written: No such file"):
        opened(tmp_path / "none")


def test_a_clock_that_is_set_back_does_not_set_arrivals_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([since_epoch(DAY) * 1_000, (since_epoch(DAY) - 3_600_000_000) * 1_000])
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    spool = opened(tmp_path)
    stamps = [spool.append(b'{"a":1}', "adv").result(10).received_at for _ in range(2)]
    spool.close()
    assert stamps == [since_epoch(DAY)] * 2
