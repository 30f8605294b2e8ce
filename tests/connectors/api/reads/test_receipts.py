"""Receipts over HTTP: what became of an event, for whoever may know."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.api import sources
from connectors.api.guard import ProblemError
from connectors.api.reads.outcomes import Wanted
from connectors.api.reads.receipts import Receipts
from connectors.api.results import Results
from tests.connectors.api.conftest import Served, serving
from tests.connectors.api.reads.conftest import AD, headers
from tests.connectors.api.test_app import call
from tests.support import raw


@pytest.fixture
def writing(tmp_path: Path, result: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Serve the result with a log of its own, and two sources."""
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.02)
    with serving(tmp_path, result=result) as served:
        register(served)
        yield served


def ask(served: Served, event_id: str, advertiser: str = "adv", **more: Any) -> httpx.Response:  # noqa: ANN401  as httpx takes them
    path = f"/api/buyer/advertisers/{advertiser}/events/{event_id}"
    return served.client.get(path, **more)


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


def test_a_sale_is_told_with_its_copies_its_credits_and_its_commit(reading: Served) -> None:
    answer = ask(reading, "sold", params={"event_source_id": "src", "event_type": "purchase"})
    (sale,) = events(answer)
    credits = sale.pop("credits")
    assert sale == {
        "event_source_id": "src",
        "event_type": "purchase",
        "state": "final",
        "durable": True,
        "read": True,
        "event_time": raw.written(raw.NOW),
        "received_at": raw.written(raw.NOW),
        "place": "events/events.ndjson@0",
        "outcome": "attributed",
        "value": 90.0,
        "currency": "USD",
        "matched_on": "uid2",
        "touch_type": "click",
        "is_probabilistic": False,
        "duplicates": 2,
        "duplicates_changed": 1,
        "commit": 1,
        "committed_at": answer.json()["as_of"]["committed_at"],
    }
    assert [each["shares"]["last_touch"] for each in credits] == [0.0, 1.0]
    assert credits[1] == {
        "position": 2,
        "type": "click",
        "time": raw.written(raw.NOW - raw.HOUR),
        "campaign_id": "cmp",
        **AD,
        "matched_on": "uid2",
        "is_probabilistic": False,
        "currency": "USD",
        "shares": credits[1]["shares"],
        "values": credits[1]["values"],
    }, "no identifiers"
    assert credits[1]["values"] == {
        "last_touch": 90.0,
        "first_touch": 0.0,
        "linear": 45.0,
        "time_decay": 45.0,
        "position_based": 45.0,
    }
    assert answer.json()["as_of"]["commit"] == 1


def test_every_event_of_an_id_is_told_of(reading: Served) -> None:
    told = [(each["event_source_id"], each["event_type"]) for each in events(ask(reading, "sold"))]
    assert told == [("src", "purchase"), ("src", "lead"), ("app", "purchase")]
    (lead,) = events(ask(reading, "sold", params={"event_type": "lead"}))
    assert "currency" not in lead
    assert "values" not in lead["credits"][0]
    (app,) = events(ask(reading, "sold", params={"event_source_id": "app"}))
    assert (app["duplicates"], app["place"]) == (0, "events/events.ndjson@3")


@pytest.mark.parametrize(
    ("event_id", "told"),
    [
        ("alone", {"state": "final", "outcome": "unattributed", "reason": "no_touchpoint"}),
        ("a%2Fb%20%C3%A9", {"outcome": "unattributed", "warnings": ["missing_user_match"]}),
        ("back", {"state": "final", "outcome": "observed", "value": 90.0, "credits": []}),
        ("wrong", {"state": "refused", "outcome": "rejected"}),
        ("tried", {"state": "test", "outcome": "test", "test_event_code": "T1"}),
    ],
)
def test_every_outcome_is_told(reading: Served, event_id: str, told: dict[str, Any]) -> None:
    (event,) = events(ask(reading, event_id))
    assert event | told == event


def test_a_refusal_says_why(reading: Served) -> None:
    (event,) = events(ask(reading, "wrong"))
    refusal = event["refusal"]
    assert (refusal["code"], refusal["field"]) == ("INVALID_EVENT_TIME", "event_time")
    assert "RFC 3339" in refusal["message"]


def test_both_prefixes_answer_alike(reading: Served) -> None:
    other = reading.client.get("/api/v2/buyer/advertisers/adv/events/sold")
    assert other.json() == ask(reading, "sold").json()


def test_an_unknown_event_is_404_and_says_how_sure_that_is(reading: Served) -> None:
    for params in ({}, {"event_source_id": "none"}, {"event_type": "lead"}):
        answer = ask(reading, "tried" if params else "none", params=params)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "NOT_FOUND")
        assert error["details"]["log_searched"] is True
        assert "way" not in error["message"]


def test_what_others_write_to_the_log_may_hold_it(writing: Served) -> None:
    (writing.folder / "events-of-another.ndjson").touch()
    error = ask(writing, "none").json()["error"]
    assert error["details"]["log_searched"] is False
    assert "may still be on its way" in error["message"]


def test_a_key_of_another_advertiser_sees_nothing(reading: Served) -> None:
    mine = headers(reading.keys, advertisers=["adv"], rights=["read"])
    assert len(events(ask(reading, "sold", headers=mine))) == 3
    rival = headers(reading.keys, advertisers=["rival"], rights=["read"])
    foreign = ask(reading, "sold", headers=rival)
    absent = ask(reading, "sold", advertiser="nobody", headers=rival)
    assert (foreign.status_code, foreign.content) == (404, absent.content)
    (own,) = events(ask(reading, "sold", advertiser="rival", headers=rival))
    assert own["outcome"] == "unattributed"


def test_only_a_key_that_may_read_reads(reading: Served) -> None:
    writer = headers(reading.keys, advertisers=["adv"], rights=["write"])
    assert ask(reading, "sold", headers=writer).status_code == 403
    assert ask(reading, "sold", headers={"Authorization": ""}).status_code == 401


def test_a_key_for_some_sources_is_told_of_no_others(reading: Served) -> None:
    app = headers(reading.keys, sources=["app"], rights=["read"])
    (own,) = events(ask(reading, "sold", headers=app))
    assert own["event_source_id"] == "app"
    for params in ({}, {"event_source_id": "src"}):
        absent = ask(reading, "none", params=params, headers=app)
        foreign = ask(reading, "alone", params=params, headers=app)
        assert (foreign.status_code, foreign.content) == (404, absent.content)


def register(served: Served) -> None:
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    sources = [{"event_source_id": "src"}, {"event_source_id": "app"}]
    assert served.client.post(path, json={"event_sources": sources}).status_code == 200


def test_what_is_stored_but_not_read_is_told_from_the_log(writing: Served) -> None:
    sent = writing.log(call(raw.event("new"), raw.event("sold"), raw.event("new")))
    (event,) = events(ask(writing, "new"))
    assert event.pop("received_at") > "2026-11"
    assert event == {
        "event_source_id": "src",
        "event_type": "purchase",
        "state": "stored",
        "place": sent.headers["Tributary-Receipt"],
        "durable": True,
        "read": False,
    }
    assert len(events(ask(writing, "sold"))) == 3, "the stored one is a copy"
    rival = writing.client.get("/api/buyer/advertisers/rival/events/new")
    assert rival.status_code == 404
    app = headers(writing.keys, sources=["app"], rights=["read"])
    assert ask(writing, "new", headers=app).status_code == 404


def test_topics_are_not_searched(result: Path) -> None:
    """In front of Kafka there is no folder of the log."""
    results = Results(result)
    receipts = Receipts(results.ask, log=None)
    try:
        known = asyncio.run(receipts.of(Wanted("adv", "sold")))
        assert len(known["events"]) == 3
        with pytest.raises(ProblemError) as caught:
            asyncio.run(receipts.of(Wanted("adv", "none")))
    finally:
        results.close()
    assert caught.value.problem.details["log_searched"] is False
    assert "may still be on its way" in caught.value.problem.message


def test_without_a_result_what_is_stored_is_told_and_all_else_is_asked_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SETTLE_SECONDS", 0.02)
    with serving(tmp_path, result=tmp_path / "result.duckdb") as served:
        register(served)
        assert served.log(call(raw.event("new"))).status_code == 200
        answer = ask(served, "new")
        (event,) = events(answer)
        assert (event["state"], event["durable"], answer.json()["as_of"]) == ("stored", True, None)
        assert "read" not in event, "nobody knows"
        unknown = ask(served, "none")
        assert (unknown.status_code, unknown.headers["Retry-After"]) == (503, "2")


def test_an_api_without_a_result_says_so(served: Served) -> None:
    answer = ask(served, "sold")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "--db" in answer.json()["error"]["message"]
