"""A sync of event sources: refused as a whole, failed source by source, or planned."""

from typing import Any

import pytest

from attribution.contract.event_source import EventSource, judge_event_source
from attribution.ingest.problems import CallProblem
from attribution.ingest.sync import SyncPlan, plan_sync
from attribution.registry import SourceVersion, version_of


def known(name: str, **fields: object) -> SourceVersion:
    source = judge_event_source({"advertiser_id": "adv", "event_source_id": name, **fields})
    assert isinstance(source, EventSource)
    return version_of(source)


def planned(*sources: object, held: tuple[SourceVersion, ...] = (), **fields: object) -> SyncPlan:
    plan = plan_sync("adv", {"event_sources": list(sources), **fields}, held)
    assert isinstance(plan, SyncPlan), plan
    return plan


def actions(plan: SyncPlan) -> list[tuple[str, str]]:
    return [(each["event_source_id"], each["action"]) for each in plan.results]


def test_sources_are_created_updated_left_and_deleted() -> None:
    held = (known("a"), known("b"), known("c"))
    sources = [{"event_source_id": "a"}, {"event_source_id": "b", "name": "B"}]
    plan = planned(*sources, {"event_source_id": "d"}, held=held, delete_missing=True)
    assert actions(plan) == [
        ("a", "unchanged"),
        ("b", "updated"),
        ("d", "created"),
        ("c", "deleted"),
    ]
    assert [each["event_source_id"] for each in plan.documents] == ["b", "d", "c"]
    assert plan.documents[-1]["deleted"] is True


def test_a_failed_source_changes_nothing_and_is_not_deleted() -> None:
    bad = {"event_source_id": "a", "event_types": ["purchase", "bogus"], "allowed_domains": ["a/b"]}
    plan = planned(bad, held=(known("a"),), delete_missing=True)
    assert actions(plan) == [("a", "failed")]
    assert plan.documents == []
    assert [(each["code"], each["field"]) for each in plan.results[0]["errors"]] == [
        ("UNSUPPORTED_FEATURE", "event_sources[0].event_types[1]"),
        ("VALIDATION_ERROR", "event_sources[0].allowed_domains[0]"),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_sources": None}, "event_sources"),
        ({"event_sources": []}, "event_sources"),
        ({"event_sources": {}}, "event_sources"),
        ({"event_sources": [{"event_source_id": f"s{n}"} for n in range(1_001)]}, "event_sources"),
        ({"event_sources": ["a"]}, "event_sources[0]"),
        ({"event_sources": [{}]}, "event_sources[0].event_source_id"),
        ({"event_sources": [{"event_source_id": "a"}] * 2}, "event_sources[1].event_source_id"),
        (
            {"event_sources": [{"event_source_id": "a", "event_types": [1]}]},
            "event_sources[0].event_types[0]",
        ),
        (
            {"event_sources": [{"event_source_id": "a", "event_types": []}]},
            "event_sources[0].event_types",
        ),
        (
            {"event_sources": [{"event_source_id": "a", "value_currencies": ["USD", "USD"]}]},
            "event_sources[0].value_currencies",
        ),
        ({"event_sources": [{"event_source_id": "a"}], "delete_missing": "true"}, "delete_missing"),
        (
            {"event_sources": [{"event_source_id": "a"}], "account": {"account_id": "other"}},
            "account.account_id",
        ),
    ],
)
def test_a_request_of_the_wrong_shape_is_refused(body: dict[str, Any], field: str) -> None:
    problem = plan_sync("adv", body, ())
    assert isinstance(problem, CallProblem)
    assert (problem.code, problem.field) == ("VALIDATION_ERROR", field)


def test_nobody_writes_for_another_advertiser_or_sets_what_is_ours() -> None:
    given = {"event_source_id": "a", "advertiser_id": "other", "deleted": True, "claim": "c"}
    plan = planned(given | {"received_at": "1999-01-01T00:00:00Z"})
    assert plan.documents == [{"event_source_id": "a", "advertiser_id": "adv"}]


def test_a_sync_without_sources_asks_which_there_are_and_deletes_none() -> None:
    plan = plan_sync("adv", {"delete_missing": True}, (known("a"), known("b")))
    assert isinstance(plan, SyncPlan)
    assert actions(plan) == [("a", "unchanged"), ("b", "unchanged")]
    assert plan.documents == []
