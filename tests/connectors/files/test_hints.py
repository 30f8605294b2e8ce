"""Files that are recognised as something else, and those that are left to the contract."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.files.folder import LogFile, find_files
from connectors.files.hints import FILES_MAX, hint, hints
from flows.cli.app import app
from tests.support.raw import envelope, event, impression

EVENTS = json.dumps(envelope(event())).encode()
IMPRESSIONS = json.dumps(impression()).encode()
PRETTY = json.dumps(envelope(event()), indent=2).encode()

ARRAY = "begins like a JSON array; one document per line is expected: jq -c '.[]'"
SPREAD = "is spread over lines; one document per line is expected: jq -c ."


@pytest.mark.parametrize(
    ("stream", "beginning", "said"),
    [
        ("events", EVENTS + b"\n", None),
        ("events", EVENTS, None),
        ("impressions", IMPRESSIONS + b"\n" + EVENTS, None),
        ("events", b"", None),
        ("events", b"\n \n", None),
        ("events", b"{broken\n" + EVENTS, None),
        ("events", b'{"neither": 1}\n', None),
        ("events", b"[" + EVENTS + b"]", ARRAY),
        ("impressions", b"\xef\xbb\xbf [\n" + IMPRESSIONS, ARRAY),
        ("events", PRETTY, SPREAD),
        ("events", PRETTY.replace(b"  ", b"\t"), SPREAD),
        ("events", IMPRESSIONS + b"\n", "holds impressions, and its name says events"),
        ("impressions", EVENTS + b"\n", "holds events, and its name says impressions"),
    ],
)
def test_what_a_beginning_looks_like(stream: str, beginning: bytes, said: str | None) -> None:
    found = hint(stream, beginning)
    assert found is None if said is None else (found or "").startswith(said)


def test_packed_files_are_looked_into_and_damaged_ones_are_not_our_business(tmp_path: Path) -> None:
    (tmp_path / "events-a.ndjson.gz").write_bytes(gzip.compress(PRETTY))
    (tmp_path / "events-b.ndjson.gz").write_bytes(b"no gzip")
    (tmp_path / "impressions.ndjson.zst").write_bytes(b"no zstd")
    assert list(hints(find_files(tmp_path))) == [f"{tmp_path}/events-a.ndjson.gz {SPREAD}"]


def test_only_so_many_files_are_looked_at(tmp_path: Path) -> None:
    files = []
    for number in range(FILES_MAX + 1):
        path = tmp_path / f"events-{number}.ndjson"
        path.write_bytes(b"[]")
        files.append(LogFile("events", path))
    assert len(list(hints(files))) == FILES_MAX


def test_a_replay_warns(tmp_path: Path) -> None:
    (tmp_path / "events.ndjson").write_bytes(PRETTY)
    asked = ["replay", str(tmp_path), "--db", str(tmp_path / "r.duckdb"), "--allow-unregistered"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0
    assert f"warning: {tmp_path}/events.ndjson {SPREAD}\n" in done.stderr
