"""The committed demo log: it is what its script makes, and its edges end as they say."""

import gzip
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from attribution.policy import Policy
from tests.fixtures.build_demo import DEMO, README, build_demo, readme_with_table
from tests.fixtures.edge_events import DUPLICATE, EVENTS, TEST
from tests.fixtures.edge_lines import EDGE, OTHER, SEED
from tests.oracle import replay_oracle

_EDGES = "events-edge.ndjson"


@pytest.fixture(scope="module")
def tables() -> dict[str, list[dict[str, Any]]]:
    return replay_oracle(DEMO, Policy())


def test_the_script_makes_the_committed_files(tmp_path: Path) -> None:
    build_demo(tmp_path)
    assert _contents(tmp_path) == _contents(DEMO)


def test_the_demo_stays_small_enough_to_read() -> None:
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 1_500_000


def test_the_table_of_lines_is_current() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == readme_with_table(readme)


def test_every_hand_written_event_ends_as_its_line_says(
    tables: dict[str, list[dict[str, Any]]],
) -> None:
    expected = {at: _placed(line.outcomes) for at, line in enumerate(EVENTS)}
    assert _outcomes_by_line(tables) == {at: found for at, found in expected.items() if found}


@pytest.mark.parametrize(("outcome", "table"), [(DUPLICATE, "duplicates"), (TEST, "test_events")])
def test_as_many_duplicates_and_tests_as_the_lines_say(
    tables: dict[str, list[dict[str, Any]]], outcome: str, table: str
) -> None:
    by_hand = [row for row in tables[table] if row["advertiser_id"] in {EDGE, OTHER, SEED}]
    assert len(by_hand) == sum(line.outcomes.count(outcome) for line in EVENTS)


def test_the_guides_first_example_is_earned_by_its_click(
    tables: dict[str, list[dict[str, Any]]],
) -> None:
    (conversion,) = [row for row in tables["conversions"] if row["event_id"] == "txn_abc123"]
    won = [
        (row["impression_id"], row["matched_on"], row["last_touch"])
        for row in tables["credits"]
        if row["conversion_id"] == conversion["conversion_id"]
    ]
    assert [(name, kind, int(share)) for name, kind, share in won] == [
        ("seed-view", "hashed_email", 0),
        ("seed-ad", "click", 1),
    ]


def test_copies_of_an_impression_are_one_touchpoint(
    tables: dict[str, list[dict[str, Any]]],
) -> None:
    (conversion,) = [row for row in tables["conversions"] if row["event_id"] == "repeated"]
    assert (conversion["outcome"], conversion["path_length"]) == ("attributed", 1)


def test_a_bots_purchase_hits_the_limit_of_candidates(
    tables: dict[str, list[dict[str, Any]]],
) -> None:
    assert max(row["path_length"] for row in tables["conversions"]) > 900
    assert sum(row["limited"] for row in tables["match_stats"]) > 0


def _contents(folder: Path) -> dict[str, bytes]:
    """Read files by name, compressed ones as what they hold: compressors differ by version."""
    return {
        path.name: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in folder.iterdir()
    }


def _placed(outcomes: Iterable[str]) -> list[str]:
    """Sort the outcomes that the tables place on a line; duplicates and tests have no place."""
    return sorted(outcome for outcome in outcomes if outcome not in {DUPLICATE, TEST})


def _outcomes_by_line(tables: dict[str, list[dict[str, Any]]]) -> dict[int, list[str]]:
    outcomes: dict[int, list[str]] = defaultdict(list)
    for row in tables["conversions"]:
        if row["source_partition"] == _EDGES:
            outcome = " ".join(filter(None, (row["outcome"], row["reason"])))
            outcomes[row["source_offset"]].append(outcome)
    for row in tables["rejections"]:
        if row["source_partition"] == _EDGES:
            outcomes[row["source_offset"]] += [f"rejected {row['code']}"] * row["events"]
    return {at: sorted(found) for at, found in outcomes.items() if found}
