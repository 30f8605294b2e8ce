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
