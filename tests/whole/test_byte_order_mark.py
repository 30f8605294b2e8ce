"""A byte order mark at the beginning of a file, packed or not, is no part of its first record."""

import gzip
from codecs import BOM_UTF8
from pathlib import Path

import pyarrow as pa
import pytest

from attribution.policy import Policy
from connectors.files.intake import TailIntakes
from flows.analysis.verify import verify
from flows.replay.replay import ReplayOptions, replay
from flows.settings.model import Settings
from tests.oracle import compare, replay_oracle
from tests.support import raw
from tests.support.actual import read_result


def _marked(log: Path, suffix: str) -> None:
    for name in ("events.ndjson", "impressions.ndjson"):
        content = BOM_UTF8 + (log / name).read_bytes()
        (log / name).unlink()
        if suffix == ".gz":
            content = gzip.compress(content)
        if suffix == ".zst":
            content = pa.compress(content, codec="zstd", asbytes=True)
        (log / f"{name}{suffix}").write_bytes(content)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_nothing_is_refused_and_places_count_on(tmp_path: Path, suffix: str) -> None:
    log, result = tmp_path / "log", tmp_path / "result.duckdb"
    log.mkdir()
    events: list[raw.Document] = [
        raw.envelope(raw.event("e1")),
        raw.envelope(raw.event("e2")),
        b"{",
    ]
    raw.write_log(log, events=events, impressions=[raw.impression("i1")])
    _marked(log, suffix)
    replay(ReplayOptions(folder=log, database=result, settings=Settings(policy=Policy())))
    tables = read_result(result)
    assert {row["event_id"]: row["outcome"] for row in tables["conversions"]} == {
        "e1": "attributed",
        "e2": "attributed",
    }
    assert [row["source_offset"] for row in tables["rejections"]] == [2]
    assert verify(result).is_equal
    assert compare(replay_oracle(log, Policy()), tables) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_a_growing_file_may_begin_with_one(tmp_path: Path, *, at_once: bool) -> None:
    path = tmp_path / "events.ndjson"
    tails = TailIntakes(tmp_path, 1, 1_000_000, listing_interval=0)
    intake = tails.open(0, {})
    lines: list[tuple[int, bytes]] = []
    content = BOM_UTF8 + b"first\nsecond\n" + BOM_UTF8 + b"third\n"
    for part in [content] if at_once else [content[:2], content[2:5], content[5:9], content[9:]]:
        with path.open("ab") as file:
            file.write(part)
        intake.look_around()
        for each in intake.poll(()):
            lines += [(at, each.lines[row]) for row, at in enumerate(each.offsets.tolist())]
    assert lines == [(0, b"first"), (1, b"second"), (2, BOM_UTF8 + b"third")]
