"""CREDIT's paths with literal records: merged by impression, ranked, ordered, cut."""

from typing import Any

import pyarrow as pa
import pytest

from attribution.lookup import FOUND
from attribution.paths import merge
from attribution.policy import MATCHABLE, Policy
from attribution.vocabulary import KIND_CODES

Told = list[tuple[str, str, bool, bool, bool]]
"""Impression, kind, whether it is a click, whether probabilistic, whether it wins."""


def row(name: str, kind: str = "uid2", **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any column
    defaults = {
        "kind": KIND_CODES[kind],
        "time": 0,
        "received_at": 0,
        "is_click": False,
        "impression_id": name,
        "source_partition": "p",
        "source_offset": sum(name.encode()),
        "campaign_id": "c",
        "limited": False,
        "owner": 0,
    }
    return defaults | fields


def paths(
    *given: dict[str, Any], policy: Policy | None = None
) -> tuple[dict[int, Told], list[int]]:
    """Merge the rows; give the path of each conversion, and those that hit a limit."""
    policy = policy or Policy()
    names = [*FOUND, "limited"]
    columns = {name: pa.array([each.get(name) for each in given]) for name in names}
    columns["kind"] = columns["kind"].cast(pa.uint8())
    columns["source_partition"] = columns["source_partition"].dictionary_encode()
    owner = pa.array([each["owner"] for each in given], pa.int64()).to_numpy()
    found = merge(pa.RecordBatch.from_pydict(columns), owner, policy)
    told: dict[int, Told] = {}
    for at in range(len(found.owner)):
        told.setdefault(int(found.owner[at]), []).append(
            (
                found.records["impression_id"][at].as_py(),
                policy.ordered_kinds[found.strength[at]],
                bool(found.is_click[at]),
                bool(found.is_probabilistic[at]),
                bool(found.wins[at]),
            )
        )
    return told, found.limited.tolist()


def winner(*given: dict[str, Any], policy: Policy | None = None) -> str:
    (path,) = paths(*given, policy=policy)[0].values()
    (won,) = [name for name, *_, wins in path if wins]
    return won


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (row("z", is_click=True, kind="ip_ua"), row("a", time=9)),
        (row("z", is_click=True), row("a", is_click=True, kind="ip_ua", time=9)),
        (row("z", kind="click"), row("a", time=9)),
        (row("z"), row("a", kind="ip_ua", time=9)),
        (row("z", time=9), row("a")),
        (row("a"), row("b")),
        (row("B"), row("a")),
        (row("~"), row("\u00e9")),
    ],
)
def test_the_order_of_ranks(better: dict[str, Any], worse: dict[str, Any]) -> None:
    assert winner(better, worse) == winner(worse, better) == better["impression_id"]


def test_paths_run_by_time_then_name_each_conversion_apart() -> None:
    told, limited = paths(
        row("b", time=5), row("a", time=5), row("c", time=1), row("b", time=5, owner=2)
    )
    assert [name for name, *_ in told[0]] == ["c", "a", "b"]
    assert told[2] == [("b", "uid2", False, False, True)]
    assert limited == []


def test_records_of_an_impression_are_one_touchpoint() -> None:
    told, _ = paths(
        row("a", "ip_ua"), row("a", "hashed_email"), row("a", "maid"), row("b", "ip_ua")
    )
    assert told[0] == [("a", "maid", False, False, True), ("b", "ip_ua", False, True, False)]


def test_the_strongest_kind_is_the_policys() -> None:
    weakest_first = Policy(match_keys=MATCHABLE[::-1])
    told, _ = paths(row("a", "ip_ua"), row("a", "maid"), policy=weakest_first)
    assert told[0] == [("a", "ip_ua", False, False, True)]


def test_the_first_click_speaks_for_its_impression() -> None:
    """Though a view of it was earlier than `x`, it comes after: its first click was at 7."""
    told, _ = paths(
        row("a", time=1, source_offset=1),
        row("a", time=9, is_click=True, source_offset=2),
        row("a", time=7, is_click=True, source_offset=3),
        row("b", time=8),
        row("x", time=3),
    )
    assert [(name, wins) for name, *_, wins in told[0]] == [("x", False), ("a", True), ("b", False)]


def test_beyond_the_limit_the_best_ranked_stay() -> None:
    told, limited = paths(
        row("old click", time=1, is_click=True),
        row("late view", time=9),
        row("device", "ip_ua", time=10),
        row("early view", time=8),
        row("alone", owner=1),
        policy=Policy(max_candidates=2),
    )
    assert [name for name, *_ in told[0]] == ["old click", "late view"]
    assert limited == [0]


def test_a_limit_hit_by_one_key_is_kept_in_mind() -> None:
    assert paths(row("a"), row("b", owner=1, limited=True))[1] == [1]
