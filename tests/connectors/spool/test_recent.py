"""Whether an event is stored, found in what arrived lately."""

import json
import os
from pathlib import Path

import pytest

from connectors.spool import recent
from connectors.spool.packing import pack
from connectors.spool.recent import StoredEvent, find_event, spellings
from connectors.spool.store import Receipt
from connectors.spool.writer import Spool
from tests.support import raw


def call(*events: object, advertiser: str = "adv", source: str = "src") -> bytes:
    document = {"advertiser_id": advertiser, "event_source_id": source, "events": events}
    return json.dumps(document).encode()


def stored(folder: Path, *documents: bytes) -> list[Receipt]:
    spool = Spool(folder, "events", lambda _error: None)
    receipts = [spool.append(each, "adv").result(10) for each in documents]
    spool.close()
    return receipts


def test_an_event_is_found_with_its_line_its_source_and_its_type(tmp_path: Path) -> None:
    _, place, other, _ = stored(
        tmp_path,
        call(raw.event("e0")),
        call(raw.event("e1"), raw.event("e2"), None, raw.event("e1", event_type="lead")),
        call(raw.event("e1"), source="app"),
        call(raw.event("e1"), advertiser="rival"),
    )
    search = find_event(tmp_path, "adv", "e1", None)
    assert search.is_whole
    assert search.found == [
        StoredEvent("src", "purchase", place),
        StoredEvent("src", "lead", place),
        StoredEvent("app", "purchase", other),
    ]
    assert find_event(tmp_path, "adv", "e", None) == recent.Search()
    assert find_event(tmp_path, "adv", "src", None) == recent.Search(), "that is no event_id"


def test_only_the_path_decides_whose_an_event_is(tmp_path: Path) -> None:
    """Of equal keys the first counts: a body may name another advertiser."""
    document = b'{"advertiser_id":"adv","advertiser_id":"rival","events":[{"event_id":"e1"}]}'
    stored(tmp_path, document)
    assert len(find_event(tmp_path, "adv", "e1", None).found) == 1
    assert find_event(tmp_path, "rival", "e1", None).found == []


@pytest.mark.parametrize("event_id", ["plain", "a/b", "é😀", 'q"\\', "a\nb\tc", "<&>", "x" * 256])
def test_every_spelling_is_found(event_id: str) -> None:
    pattern = spellings(event_id)
    for text in (json.dumps(event_id), json.dumps(event_id, ensure_ascii=False)):
        for spelt in (text, text.replace("/", r"\/"), text.replace("\\u00e9", "\\u00E9")):
            assert pattern.fullmatch(spelt.encode()), spelt
    escaped = "".join(f"\\u{unit:04x}" for unit in event_id.encode("utf-16-be")[1::2])
    if event_id == "<&>":
        assert pattern.fullmatch(f'"{escaped}"'.encode())
    assert not pattern.search(json.dumps(event_id + "x").encode())
    assert not pattern.search(json.dumps("x" + event_id).encode())


def test_what_arrived_before_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "STEP_BYTES", 200)
    places = stored(tmp_path, *[call(raw.event("e1", note=at)) for at in range(40)])
    stamps = [place.received_at for place in places]
    middle = next(at for at in range(20, 40) if stamps[at] > stamps[at - 1])
    found = [each.place for each in find_event(tmp_path, "adv", "e1", stamps[middle]).found]
    assert found == places[-len(found) :], "numbers of lines count from the begin of the file"
    assert 40 - middle <= len(found) < 40
    (path,) = tmp_path.glob("events-api*")
    os.utime(path, (1, 1))
    assert find_event(tmp_path, "adv", "e1", stamps[middle]).found == []
    assert len(find_event(tmp_path, "adv", "e1", None).found) == 40


def test_packed_files_are_read_too(tmp_path: Path) -> None:
    places = stored(tmp_path, call(raw.event("e0")), call(raw.event("e1")))
    (path,) = tmp_path.glob("events-api*.ndjson")
    plain = path.read_bytes()
    pack(path)
    assert [each.place for each in find_event(tmp_path, "adv", "e1", None).found] == places[1:]
    path.write_bytes(plain)  # both are there for a moment
    assert [each.place for each in find_event(tmp_path, "adv", "e1", None).found] == places[1:]


def test_a_search_reads_so_much_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = stored(tmp_path, *[call(raw.event(f"e{at}")) for at in range(10)])
    monkeypatch.setattr(recent, "SEARCH_BYTES_MAX", 600)
    search = find_event(tmp_path, "adv", "e9", None)
    assert ([each.place for each in search.found], search.is_whole) == (places[9:], False)
    assert find_event(tmp_path, "adv", "e0", None) == recent.Search([], is_whole=False)
    monkeypatch.undo()
    assert find_event(tmp_path, "adv", "e0", None).is_whole


def test_so_many_events_are_found_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "FOUND_MAX", 2)
    stored(tmp_path, *[call(raw.event("e1")) for _ in range(3)])
    search = find_event(tmp_path, "adv", "e1", None)
    assert (len(search.found), search.is_whole) == (2, False)


def test_what_others_have_written_may_hold_it(tmp_path: Path) -> None:
    stored(tmp_path, call(raw.event("e0")))
    raw.write_log(tmp_path, events=[raw.envelope(raw.event("e1"))])
    assert find_event(tmp_path, "adv", "e1", None) == recent.Search([], is_whole=False)


def test_an_unfinished_line_is_not_durable(tmp_path: Path) -> None:
    path = tmp_path / "events-api0-1.ndjson"
    line = b'{"received_at":"2026-04-01T00:00:00Z",' + call(raw.event("e1"))[1:]
    path.write_bytes(line)
    assert find_event(tmp_path, "adv", "e1", None).found == []
    path.write_bytes(line + b"\n")
    assert len(find_event(tmp_path, "adv", "e1", None).found) == 1
