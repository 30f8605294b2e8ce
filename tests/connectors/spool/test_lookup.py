"""Whether a call was stored, found by its claim."""

import os
from pathlib import Path

from connectors.spool.lookup import SLACK_SECONDS, claimed, find_claim
from connectors.spool.packing import pack
from connectors.spool.writer import Spool

DOCUMENT = b'{"advertiser_id":"adv"}'


def test_a_call_is_found_by_its_claim_where_it_lies(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "events", lambda _error: None)
    receipts = [
        spool.append(claimed(DOCUMENT, claim), "adv").result(10) for claim in ("a" * 32, "b" * 32)
    ]
    spool.close()
    assert find_claim(tmp_path, "events", "a" * 32, 0) == receipts[0]
    assert find_claim(tmp_path, "events", "b" * 32, 0) == receipts[1]
    assert find_claim(tmp_path, "events", "c" * 32, 0) is None
    assert find_claim(tmp_path, "impressions", "a" * 32, 0) is None


def test_a_packed_file_is_read_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "events", lambda _error: None)
    long = claimed(b'{"note":"' + b"x" * 3_000_000 + b'"}', "b" * 32)
    documents = [claimed(DOCUMENT, "a" * 32), long, claimed(DOCUMENT, "c" * 32)]
    receipts = [spool.append(document, "adv").result(10) for document in documents]
    spool.close()
    (path,) = tmp_path.glob("events-api*.ndjson")
    pack(path)
    assert not path.exists()
    found = [find_claim(tmp_path, "events", claim * 32, 0) for claim in "abcd"]
    assert found == [*receipts, None]


def test_an_unfinished_line_will_be_cut_and_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "events-api0-1.ndjson"
    line = b'{"received_at":"2026-04-01T00:00:00Z",' + claimed(DOCUMENT, "a" * 32)[1:]
    path.write_bytes(line)
    assert find_claim(tmp_path, "events", "a" * 32, 0) is None
    path.write_bytes(line + b"\n")
    assert find_claim(tmp_path, "events", "a" * 32, 0) is not None


def test_files_from_before_the_claim_are_not_read_and_empty_ones_hold_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events-api0-1.ndjson"
    path.write_bytes(b"")
    assert find_claim(tmp_path, "events", "a" * 32, 0) is None
    path.write_bytes(b'{"received_at":"","claim":"' + b"a" * 32 + b'"}\n')
    os.utime(path, (1_000_000, 1_000_000))
    assert find_claim(tmp_path, "events", "a" * 32, 1_000_000 + SLACK_SECONDS) is not None
    assert find_claim(tmp_path, "events", "a" * 32, 1_000_001 + SLACK_SECONDS) is None
