"""The shared accept/reject vectors over HTTP, where they are at hand: status, code, field, text."""

import json
from typing import Any

import httpx
import pytest

from tests.attribution.contract.test_vectors import BY_ID, DEVIATIONS, LOG_EVENTS, needs_file
from tests.connectors.api.conftest import Served

PATH = "/api/buyer/advertisers/adv/{}"


@pytest.fixture
def pixel(served: Served) -> Served:
    """Return the API with the source that the vectors name."""
    body = {"event_sources": [{"event_source_id": "website_pixel"}, {"event_source_id": "s" * 256}]}
    done = served.client.post(PATH.format("event-sources/sync"), json=body)
    assert done.status_code == 200, done.text
    return served


def send(served: Served, document: object) -> httpx.Response:
    """Send a vector's request with a key of its own, so that no call repeats another."""
    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json"}
    return served.client.post(PATH.format("log-event"), content=body, headers=headers)


def outcome(answer: httpx.Response) -> dict[str, Any]:
    """Return an answer to a call of one event, in the words of a vector's `expect`."""
    content = answer.json()
    if answer.status_code != 200:
        error = content["error"]
        return {
            "outcome": "reject_request",
            "http": answer.status_code,
            "rest_code": error["code"],
            "field": error.get("field"),
        }
    if content["partial_failures"]:
        (failure,) = content["partial_failures"]
        return {"outcome": "reject_event", "code": failure["code"]}
    warnings = [each.partition(":")[0] for each in content["warnings"]]
    return {"outcome": "accept"} | ({"warnings": sorted(warnings)} if warnings else {})


def expected(vector_id: str) -> dict[str, Any]:
    """Return what a vector says of HTTP."""
    expect = BY_ID[vector_id]["expect"]
    names = {
        "reject_request": ("outcome", "http", "rest_code", "field"),
        "reject_event": ("outcome", "code"),
        "accept": ("outcome", "warnings"),
    }[expect["outcome"]]
    found = {name: expect[name] for name in names if name in expect}
    if "warnings" in found:
        found["warnings"] = sorted(found["warnings"])
    return found


@needs_file
def test_every_request_is_answered_as_its_vector_says(pixel: Served) -> None:
    wrong = {}
    for vector_id in LOG_EVENTS:
        if vector_id in DEVIATIONS:
            continue
        request = {**BY_ID[vector_id]["request"]}
        if request.get("idempotency_key") == BY_ID["E01"]["request"]["idempotency_key"]:
            request["idempotency_key"] = f"vector-{vector_id}-0000000000"
        found = outcome(send(pixel, request))
        if found != expected(vector_id):
            wrong[vector_id] = (found, expected(vector_id))
    assert wrong == {}


PIXEL = {
    "event_source_id": "website_pixel",
    "name": "Website Pixel",
    "event_types": ["purchase"],
    "allowed_domains": ["example.com"],
}


def sync(served: Served, **document: object) -> httpx.Response:
    """Sync the sources of the account that the vectors name."""
    path = "/api/buyer/advertisers/12345/event-sources/sync"
    return served.client.post(path, json=document)


def synced(served: Served, vector_id: str) -> httpx.Response:
    """Send the request of a vector, under a key of its own."""
    return sync(
        served,
        **{**BY_ID[vector_id]["request"], "idempotency_key": f"vector-{vector_id}-0000000000"},
    )


def actions(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {each["event_source_id"]: each["action"] for each in answer.json()["event_sources"]}


@needs_file
def test_a_sync_is_answered_as_its_vector_says(served: Served) -> None:
    assert actions(sync(served, event_sources=[PIXEL])) == {"website_pixel": "created"}
    for unchanged in ("S02", "S04", "S05", "S07"):
        assert actions(synced(served, unchanged)) == {"website_pixel": "unchanged"}, unchanged
    for refused in ("S09", "S10", "S12", "S22", "S25"):
        found = outcome(synced(served, refused))
        assert found == expected(refused), refused
    failed = synced(served, "S14")
    assert actions(failed) == {"website_pixel": "failed"}
    for accepted in ("S15", "S17", "S19", "S20", "S24"):
        done = actions(synced(served, accepted))
        assert set(done.values()) <= {"created", "updated", "unchanged"}, accepted


@needs_file
def test_what_a_sync_changes_is_as_the_vectors_say(served: Served) -> None:
    foreign = sync(served, account={"account_id": "9"}, event_sources=[PIXEL])
    assert outcome(foreign) == expected("B34")
    assert actions(sync(served, event_sources=[PIXEL, {"event_source_id": "other"}])) == {
        "website_pixel": "created",
        "other": "created",
    }
    kept = sync(served, event_sources=[PIXEL], delete_missing=True)
    assert actions(kept) == {"website_pixel": "unchanged", "other": "deleted"}, "B35"
    document = {"event_source_id": "other", "events": BY_ID["E01"]["request"]["events"]}
    gone = served.log(document, advertiser="12345")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "NOT_FOUND"), "B36"
    again = sync(served, event_sources=[{"event_source_id": "other"}])
    assert actions(again) == {"other": "created"}, "B37"
    assert served.log(document, advertiser="12345").status_code == 200
