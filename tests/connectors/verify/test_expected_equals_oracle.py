"""The SQL of a verify against the naive oracle, from the same raw files."""

from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from attribution.durations import parse_duration
from attribution.policy import Policy, Windows
from connectors.registry.file import load_registry
from connectors.verify.expected import compute_expected, create_log
from connectors.verify.log_tables import decode_folder, load_log
from flows.generate.spec import GenerateSpec
from flows.generate.write import generate_log
from tests.oracle import compare, replay_oracle

DEMO: Final = Path(__file__).parents[2] / "fixtures/demo"
TABLES: Final = {
    "conversions": "conversions_final",
    "credits": "credits_final",
    "duplicates": "duplicates",
    "rejections": "rejections",
    "test_events": "test_events",
    "match_stats": "match_stats",
    "touchpoint_stats": "touchpoint_stats",
}
"""The oracle's names, and those of the `expected_*` tables."""

DEFAULT: Final = Policy()
NARROW: Final = Policy(max_candidates=2, dedup_window=parse_duration("1h"))
UNUSUAL: Final = Policy(
    settle_delay=0,
    post_view=parse_duration("3d"),
    probabilistic_window=parse_duration("7d"),
    half_life=parse_duration("1h"),
    match_keys=("ip_ua", "hashed_email", "uid2", "click"),
    windows={"purchase": Windows(post_click=parse_duration("1d"))},
)


def by_sql(folder: Path, policy: Policy) -> dict[str, list[dict[str, Any]]]:
    with duckdb.connect() as connection:
        create_log(connection, policy)
        registry = load_registry(folder, allow_unregistered=False)
        load_log(connection, decode_folder(folder, policy, registry), policy)
        compute_expected(connection)
        return {name: rows(connection, f"expected_{table}") for name, table in TABLES.items()}


def rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    answer = connection.execute(f"from {table}")
    names = [name for name, *_ in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


@pytest.mark.parametrize("policy", [DEFAULT, NARROW, UNUSUAL], ids=["default", "narrow", "unusual"])
def test_demo(policy: Policy) -> None:
    assert compare(replay_oracle(DEMO, policy), by_sql(DEMO, policy)) == []


@pytest.mark.parametrize(("seed", "policy"), [(1, DEFAULT), (2, NARROW), (3, UNUSUAL)])
def test_generated_log(seed: int, policy: Policy, tmp_path: Path) -> None:
    spec = GenerateSpec(
        seed=seed,
        events=800,
        impressions=2_000,
        users=30,
        advertisers=3,
        files=2,
        bad=0.05,
        duplicate=0.1,
        late=0.2,
        bots=0.1,
    )
    generate_log(tmp_path / "log", spec)
    found = compare(replay_oracle(tmp_path / "log", policy), by_sql(tmp_path / "log", policy))
    assert found == []
