"""The generator: what it says it planted is what a reader of its files finds."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from attribution.policy import Policy
from flows.generate.spec import GenerateSpec, Truth
from flows.generate.write import generate_log
from tests.oracle import replay_oracle

_SPEC = GenerateSpec(
    seed=7, events=3_000, impressions=9_000, bad=0.03, duplicate=0.03, test=0.02, truth=True
)
Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "made"


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return generate_log(folder, _SPEC)


@pytest.fixture(scope="module")
def tables(folder: Path, truth: Truth) -> Tables:
    assert truth.events["records"] == _SPEC.events
    return replay_oracle(folder, Policy())


def test_one_seed_gives_the_same_bytes(folder: Path, truth: Truth, tmp_path: Path) -> None:
    assert generate_log(tmp_path / "again", _SPEC) == truth
    assert _contents(tmp_path / "again") == _contents(folder)


def test_another_seed_gives_another_log(folder: Path, truth: Truth, tmp_path: Path) -> None:
    assert generate_log(tmp_path, replace(_SPEC, seed=8)) != truth
    assert _contents(tmp_path)["events-00.ndjson"] != _contents(folder)["events-00.ndjson"]


def test_the_files_of_a_log(folder: Path, truth: Truth) -> None:
    assert truth.seed == _SPEC.seed
    assert sorted(_contents(folder)) == [
        "event_sources.json",
        "events-00.ndjson",
        "impressions-00.ndjson",
        "truth.json",
        "truth.ndjson",
    ]


def test_the_counts_of_events_are_those_of_a_replay(truth: Truth, tables: Tables) -> None:
    rejected = Counter(
        row["code"] == "REFERENCE_NOT_FOUND"
        for row in tables["rejections"]
        if row["stream"] == "events"
        for _ in range(row["events"])
    )
    assert {
        "records": sum(row["received"] for row in tables["match_stats"]),
        "duplicates": len(tables["duplicates"]),
        "duplicates_changed": sum(row["is_changed"] for row in tables["duplicates"]),
        "rejected": rejected[False],
        "unregistered": rejected[True],
        "test": len(tables["test_events"]),
    } == {
        name: truth.events[name] for name in truth.events if name not in {"repaired", "envelopes"}
    }


def test_the_counts_of_impressions_are_those_of_a_replay(truth: Truth, tables: Tables) -> None:
    refused = sum(row["stream"] == "impressions" for row in tables["rejections"])
    duplicates = sum(row["duplicates"] for row in tables["touchpoint_stats"])
    records = sum(row["records"] for row in tables["touchpoint_stats"])
    planted = truth.impressions
    assert (refused, duplicates) == (planted["rejected"], planted["duplicates"])
    assert records == _SPEC.impressions - refused - duplicates


def test_about_half_of_the_conversions_have_a_touchpoint(tables: Tables) -> None:
    paths = [row["path_length"] for row in tables["conversions"]]
    attributed = [length for length in paths if length]
    assert 0.4 < len(attributed) / len(paths) < 0.7
    assert 2 < sum(attributed) / len(attributed) < 12


def test_the_truth_names_impressions_that_earned_credit(folder: Path, tables: Tables) -> None:
    """A cause may be out of its window or carry no common identifier, but most do earn."""
    lines = (folder / "truth.ndjson").read_text().splitlines()
    causes = {(row["event_id"], row["impression_id"]) for row in map(json.loads, lines)}
    events = {row["conversion_id"]: row["event_id"] for row in tables["conversions"]}
    earned = {(events[row["conversion_id"]], row["impression_id"]) for row in tables["credits"]}
    assert len(causes & earned) / len(causes) > 0.5


def test_a_record_carries_about_two_identifiers(folder: Path, truth: Truth) -> None:
    assert truth.impressions
    counts = [_identifiers(line) for line in _lines(folder / "impressions-00.ndjson")]
    assert 1.6 < sum(counts) / len(counts) < 2.4


def test_lines_are_in_order_of_arrival_but_for_a_few(folder: Path, truth: Truth) -> None:
    assert truth.events
    for name in ("events-00.ndjson", "impressions-00.ndjson"):
        arrivals = [stamp for line in _lines(folder / name) if (stamp := _received_at(line))]
        steps_back = sum(later < earlier for earlier, later in pairwise(arrivals))
        assert 0 < steps_back < 0.02 * len(arrivals)


def test_the_records_of_several_blocks_and_files_are_all_there(tmp_path: Path) -> None:
    spec = GenerateSpec(events=1_000, impressions=2_000, days=70, files=3, duplicate=0.1)
    planted = generate_log(tmp_path, spec)
    lines = {path.name: len(path.read_bytes().splitlines()) for path in tmp_path.glob("*.ndjson")}
    assert sum(lines[f"impressions-0{at}.ndjson"] for at in range(3)) == 2_000
    assert sum(lines[f"events-0{at}.ndjson"] for at in range(3)) == planted.events["envelopes"]
    assert min(lines.values()) > 100


@pytest.mark.parametrize(("events", "impressions"), [(0, 0), (1, 0), (0, 1), (1, 1), (300, 0)])
def test_small_logs(tmp_path: Path, events: int, impressions: int) -> None:
    planted = generate_log(tmp_path, GenerateSpec(events=events, impressions=impressions))
    assert planted.events.get("records", 0) == events
    assert planted.impressions.get("records", 0) == impressions


def test_progress_adds_up_to_all_records(tmp_path: Path) -> None:
    steps: list[int] = []
    generate_log(tmp_path, GenerateSpec(events=70_000, impressions=0), on_progress=steps.append)
    assert len(steps) == 2
    assert sum(steps) == 70_000


def test_a_folder_with_streams_is_left_alone(folder: Path, truth: Truth) -> None:
    assert truth.seed == 7
    with pytest.raises(FileExistsError, match=r"already holds events-00\.ndjson"):
        generate_log(folder, _SPEC)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def _read(line: bytes) -> dict[str, Any]:
    """Read a line; one that is no object is an empty object."""
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _identifiers(line: bytes) -> int:
    user = _read(line).get("user_match") or {}
    if not isinstance(user, dict):
        return 0
    single = ("hashed_email", "hashed_phone", "click_id", "client_ip")
    return len(user.get("uids", [])) + sum(name in user for name in single)


def _received_at(line: bytes) -> str | None:
    stamp: str | None = _read(line).get("received_at")
    return stamp
