"""Health of event sources: the rule for its status, and what the routes and the tool tell."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from connectors.api import sources
from connectors.api.reads.activity import Activity, activities
from connectors.api.reads.health import health, published_health, score_of, status_of
from connectors.api.reads.issues import issues_of
from connectors.api.reads.schemas import HEALTH
from connectors.sql.reader import open_reader
from tests.connectors.api.conftest import Served, serving
from tests.connectors.api.reads.conftest import headers, published
from tests.connectors.api.test_tools import Tools
from tests.support import raw

AT = datetime(2026, 5, 11, 12, tzinfo=UTC)
BEST = Activity(
    AT,
    received=1_000,
    accepted=990,
    attributed=600,
    unattributed=300,
    rejected=10,
    hours=12,
    event_types=frozenset({"purchase", "page_view"}),
    carries={"hashed_email": 495, "click": 990},
    last_received_at=AT,
)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "excellent"),
        ({"received": 999}, "good"),
        ({"rejected": 11}, "good"),
        ({"carries": {"hashed_email": 494, "click": 990}}, "good"),
        ({"received": 100, "accepted": 90}, "good"),
        ({"rejected": 100}, "good"),
        ({"received": 99, "rejected": 0}, "minimum"),
        ({"rejected": 101}, "minimum"),
        ({"hours": 11}, "minimum"),
        ({"event_types": frozenset({"page_view"})}, "minimum"),
        ({"received": 0}, "insufficient"),
    ],
)
def test_the_status_changes_at_these_bounds(change: dict[str, Any], status: str) -> None:
    assert status_of(replace(BEST, **change)) == status


def test_the_score_is_made_of_four_quarters() -> None:
    assert score_of(replace(BEST, rejected=0, hours=24, carries={"uid2": 990})) == 100
    assert score_of(replace(BEST, rejected=0, hours=24, carries={})) == 75
    assert score_of(replace(BEST, rejected=50, hours=12, carries={})) == 50
    assert score_of(replace(BEST, received=500, rejected=500, hours=0, carries={})) == 12
    assert score_of(Activity(AT)) == 0


def said(**change: Any) -> list[tuple[str, str]]:  # noqa: ANN401  as replace takes them
    return [(each.severity, each.message) for each in issues_of(replace(BEST, **change))]


def test_a_sound_source_has_no_issues_and_a_bad_one_its_gravest_first() -> None:
    assert said() == []
    bad = said(rejected=200, worst_code="CURRENCY_REQUIRED", too_old=10, warnings={"odd": 1})
    assert [severity for severity, _ in bad] == ["error", "warning", "info"]
    assert "200 of 1,000 events were refused, most as CURRENCY_REQUIRED" in bad[0][1]
    assert "10 events arrived too long after" in bad[1][1]
    assert "1 event with the warning odd" in bad[2][1]
    many = dict.fromkeys(("a", "b", "c", "d", "e", "f"), 2)
    assert len(health(replace(BEST, warnings=many))["issues"]) == 5


@pytest.mark.parametrize(
    ("change", "severity", "part"),
    [
        ({"received": 0}, "error", "no event in 24 hours, the last one at 2026-05-11T12:00:00"),
        ({"received": 0, "last_received_at": None}, "error", "no event in 24 hours so far"),
        ({"rejected": 20}, "warning", "20 of 1,000 events were refused"),
        ({"no_identifier": 300}, "warning", "30% of the events carry nothing that can match"),
        ({"carries": {"click": 990}}, "info", "only 0% of the events carry a hashed email"),
        ({"duplicate_changed": 10}, "warning", "10 events repeated an event_id"),
        ({"received": 99, "rejected": 0}, "info", "fewer than 100 events"),
        ({"hours": 3}, "info", "events arrived in 3 of 24 hours only"),
        ({"event_types": frozenset()}, "warning", "no purchase, lead or other event"),
    ],
)
def test_an_issue_says_what_to_do(change: dict[str, Any], severity: str, part: str) -> None:
    ((found, message),) = said(**change)
    assert (found, part in message) == (severity, True), message


def test_the_published_status_says_whether_anything_comes() -> None:
    assert published_health(Activity(AT))["status"] == "not_seen"
    assert published_health(BEST)["status"] == "receiving"
    assert published_health(replace(BEST, received=0))["status"] == "needs_attention"
    assert published_health(replace(BEST, rejected=101))["status"] == "needs_attention"


def test_hours_are_those_of_arrival_and_tests_do_not_count(result: Path) -> None:
    reader = open_reader(result)
    try:
        replayed = activities(reader, "adv", None)
        assert replayed is not None
        assert replayed.at == raw.moment(raw.NOW), "after a replay, the end of its log"
        src = replayed.of("src")
        assert (src.received, src.accepted, src.rejected, src.hours) == (8, 5, 1, 1)
        assert (src.attributed, src.unattributed, src.duplicate_changed) == (2, 2, 1)
        assert src.event_types == {"purchase", "lead", "refund"}
        assert src.carries == {"uid2": 4}
        assert src.worst_code == "INVALID_EVENT_TIME"
        assert replayed.of("none") == Activity(raw.moment(raw.NOW))
        day = timedelta(days=1)
        hour = timedelta(hours=1)
        for later, received in ((day - hour, 8), (day, 0), (-hour, 0)):
            seen = activities(reader, "adv", raw.moment(raw.NOW) + later)
            assert seen is not None
            assert seen.of("src").received == received, later
        gone = activities(reader, "adv", raw.moment(raw.NOW) + day)
        assert gone is not None
        assert gone.of("src").last_received_at == raw.moment(raw.NOW)
    finally:
        reader.close()


@pytest.fixture
def known(tmp_path: Path, result: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """Serve the result, with the sources registered that its events are of, and one more."""
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.02)
    with serving(tmp_path, result=result) as served:
        register(served)
        yield served


def register(served: Served) -> None:
    named = [{"event_source_id": name} for name in ("src", "app", "new")]
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    assert served.client.post(path, json={"event_sources": named}).status_code == 200


def path_of(source: str, advertiser: str = "adv") -> str:
    return f"/api/buyer/advertisers/{advertiser}/event-sources/{source}/health"


def test_a_route_tells_the_health_of_a_source(known: Served) -> None:
    answer = known.client.get(path_of("src")).json()
    Draft7Validator(HEALTH).validate(answer)
    issues = answer.pop("issues")
    assert answer == {
        "event_source_id": "src",
        "status": "minimum",
        "detail": {"score": 21, "max_score": 100, "label": "Event source score"},
        "match_rate": 0.5,
        "last_event_at": raw.written(raw.NOW),
        "evaluated_at": raw.written(raw.NOW),
        "events_received_24h": 8,
    }
    assert issues[0]["severity"] == "error"
    assert "INVALID_EVENT_TIME" in issues[0]["message"]
    new = known.client.get(path_of("new")).json()
    assert (new["status"], new["events_received_24h"]) == ("insufficient", 0)
    assert "last_event_at" not in new


def test_only_a_source_that_a_key_may_see_has_health(known: Served) -> None:
    assert known.client.get(path_of("none")).status_code == 404
    rival = headers(known.keys, advertisers=["rival"], rights=["read"])
    foreign = known.client.get(path_of("src"), headers=rival)
    absent = known.client.get(path_of("src", "nobody"), headers=rival)
    assert (foreign.status_code, foreign.content) == (404, absent.content)
    app = headers(known.keys, sources=["app"], rights=["read"])
    assert known.client.get(path_of("app"), headers=app).status_code == 200
    assert known.client.get(path_of("src"), headers=app).status_code == 404
    listed = known.client.get("/api/buyer/advertisers/adv/event-sources", headers=app).json()
    assert [each["eventSourceId"] for each in listed["eventSources"]] == ["app"]
    writer = headers(known.keys, rights=["write"])
    assert known.client.get(path_of("src"), headers=writer).status_code == 403


def test_the_list_has_the_published_form(known: Served) -> None:
    answer = known.client.get("/api/buyer/advertisers/adv/event-sources").json()
    schema = published("scope3-v2/EventSourceListResponse.json")
    assert [each.message for each in Draft7Validator(schema).iter_errors(answer)] == []
    found = {each["eventSourceId"]: each["health"] for each in answer["eventSources"]}
    assert found["src"] == {
        "status": "needs_attention",
        "lastEventAt": raw.written(raw.NOW),
        "lastEventReceivedAt": raw.written(raw.NOW),
        "lastEventType": found["src"]["lastEventType"],
        "lastError": found["src"]["lastError"],
        "lastErrorAt": raw.written(raw.NOW),
    }
    assert found["src"]["lastError"].startswith("INVALID_EVENT_TIME: event_time must be")
    assert found["app"]["status"] == "receiving"
    assert found["new"]["status"] == "not_seen"


def test_the_tool_tells_it_too(known: Served) -> None:
    listed = Tools(known).sync()["event_sources"]
    found = {each["event_source_id"]: each["health"]["status"] for each in listed}
    assert found == {"app": "minimum", "new": "insufficient", "src": "minimum"}


def test_without_a_result_there_is_no_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.02)
    with serving(tmp_path, result=tmp_path / "result.duckdb") as served:
        register(served)
        assert served.client.get(path_of("src")).status_code == 503
        (first, *_) = served.client.get("/api/buyer/advertisers/adv/event-sources").json()[
            "eventSources"
        ]
        assert "health" not in first
        assert "health" not in Tools(served).sync()["event_sources"][0]
