"""The API over HTTP: what is accepted, stored and refused, and how it says so."""

import gzip
import json
import threading
import zlib
from typing import Any

import pyarrow as pa
import pytest

from connectors.api import guard
from connectors.api.routes import operations
from tests.connectors.api.conftest import Served
from tests.support import raw


def call(*events: object, **fields: object) -> dict[str, Any]:
    document = raw.envelope(*events, received_at=None, **fields)
    del document["advertiser_id"]
    return document


def test_a_call_is_answered_with_five_fields_and_stored(registered: Served) -> None:
    answer = registered.log(call(raw.event("e1"), None))
    assert answer.status_code == 200
    assert answer.json() == {
        "events_received": 2,
        "events_processed": 1,
        "partial_failures": [
            {
                "event_id": "event_1",
                "code": "INVALID_REQUEST",
                "message": answer.json()["partial_failures"][0]["message"],
            }
        ],
        "warnings": [],
        "match_quality": 0.9,
    }
    (line,) = registered.stored()
    stored = json.loads(line)
    assert list(stored)[:2] == ["received_at", "advertiser_id"]
    assert stored["advertiser_id"] == "adv"
    name, offset = answer.headers["Tributary-Receipt"].removeprefix("events/").split("@")
    assert (registered.folder / name).read_bytes().splitlines()[int(offset)] == line


def test_the_path_decides_the_advertiser_and_the_clock_the_arrival(registered: Served) -> None:
    document = call(raw.event()) | {"advertiser_id": "other", "received_at": "no time"}
    assert registered.log(document).status_code == 200
    large = document | {"events": [raw.event(f"e{at}") for at in range(100)]}
    assert registered.log(large).status_code == 200
    for line in registered.stored():
        assert b'"other"' not in line
        assert b'"no time"' not in line
        assert line.count(b'"advertiser_id":"adv"') == line.count(b'"received_at"') == 1


def test_line_feeds_between_tokens_make_no_second_line(registered: Served) -> None:
    body = json.dumps(call(raw.event()), indent=2).replace("\n", "\r\n")
    path = "/api/v2/buyer/advertisers/adv/log-event"
    answer = registered.client.post(
        path, content=body, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.status_code == 200, answer.text
    assert len(registered.stored()) == 1


def test_a_dry_run_stores_nothing(registered: Served) -> None:
    answer = registered.log(call(raw.event()), params={"validate_only": "true"})
    assert answer.json()["events_processed"] == 1
    assert "Tributary-Receipt" not in answer.headers
    assert registered.stored() == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "BAD_REQUEST"),
        (b"[]", 400, "BAD_REQUEST"),
        (b"", 400, "BAD_REQUEST"),
        (b'{"a":NaN}', 400, "BAD_REQUEST"),
        (b'{"event_source_id":"src\n","events":[{}]}', 400, "BAD_REQUEST"),
        (b"{}", 400, "VALIDATION_ERROR"),
        (b'{"event_source_id":"src","events":[]}', 400, "VALIDATION_ERROR"),
        (b'{"event_source_id":"none","events":[{}]}', 404, "NOT_FOUND"),
    ],
)
def test_a_refused_call_says_why_and_stores_nothing(
    registered: Served, body: bytes, status: int, code: str
) -> None:
    answer = registered.client.post(
        "/api/buyer/advertisers/adv/log-event",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == status
    assert answer.json()["data"] is None
    assert answer.json()["error"]["code"] == code
    assert registered.stored() == []


def test_too_many_events_are_refused_as_a_batch(registered: Served) -> None:
    answer = registered.log(call(*[{}] * 10_001))
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == {"reason": "BATCH_TOO_LARGE"}


def test_another_content_type_is_refused(registered: Served) -> None:
    path = "/api/buyer/advertisers/adv/log-event"
    answer = registered.client.post(path, content=b"{}", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415


def test_without_a_valid_key_nothing_is_said(registered: Served) -> None:
    path = "/api/buyer/advertisers/adv/event-sources"
    for headers in ({"Authorization": "Bearer scope3_wrong"}, {"Authorization": ""}):
        assert registered.client.get(path, headers=headers).status_code == 401
    key, secret = registered.keys.create("header")
    headers = {"Authorization": "", "x-scope3-api-key": secret}
    assert registered.client.get(path, headers=headers).status_code == 200
    assert registered.keys.revoke(key.id)


def test_a_foreign_advertiser_is_answered_like_one_that_does_not_exist(
    registered: Served,
) -> None:
    _, secret = registered.keys.create("one", advertisers=["mine"], rights=["write"])
    headers = {"Authorization": f"Bearer {secret}"}
    foreign = registered.log(call(raw.event()), headers=headers)
    absent = registered.log(call(raw.event()), advertiser="unknown", headers=headers)
    assert (foreign.status_code, foreign.content) == (404, absent.content)
    listing = registered.client.get("/api/buyer/advertisers/mine/event-sources", headers=headers)
    assert listing.status_code == 403, "it may write only"


@pytest.mark.parametrize("events", [1, 200])
def test_a_key_for_some_sources_knows_no_others(registered: Served, events: int) -> None:
    headers = {}
    for source in ("src", "other"):
        _, secret = registered.keys.create(source, sources=[source], rights=["write"])
        headers[source] = {"Authorization": f"Bearer {secret}"}
    document = call(*[raw.event(f"e{at}") for at in range(events)])
    assert registered.log(document, headers=headers["src"]).status_code == 200
    assert registered.log(document, headers=headers["other"]).status_code == 404
    assert len(registered.stored()) == 1


def test_the_conversion_api_takes_the_advertiser_of_its_key(registered: Served) -> None:
    _, secret = registered.keys.create("one", advertisers=["adv"], rights=["write"])
    headers = {"Authorization": f"Bearer {secret}"}

    def send(document: object) -> tuple[int, str | None]:
        answer = registered.client.post("/agentic/v1/capi", json=document, headers=headers)
        error = answer.json().get("error")
        return answer.status_code, error and error["message"]

    assert send(call(raw.event())) == (200, None)
    assert send({"event_source_id": "none", "events": [{}]}) == (403, "Access denied")
    assert send({}) == (400, "Validation error")
    refused = registered.client.post("/agentic/v1/capi", json=call(raw.event()))
    assert refused.status_code == 403, "a key for all advertisers names none"


def test_compressed_bodies_are_unpacked_within_bounds(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps(call(raw.event())).encode()
    kind = {"Content-Type": "application/json"}
    path = "/api/buyer/advertisers/adv/log-event"
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packing:
        packing.write(body)
    packed = {"gzip": gzip.compress(body), "zstd": sink.getvalue().to_pybytes()}
    for encoding, content in packed.items():
        headers = kind | {"Content-Encoding": encoding}
        answer = registered.client.post(path, content=content, headers=headers)
        assert answer.status_code == 200, (encoding, answer.text)
        cut_off = registered.client.post(path, content=content[:-9], headers=headers)
        assert cut_off.status_code == 400, encoding
    monkeypatch.setattr(guard, "BODY_BYTES_MAX", 1_000)
    bomb = zlib.compress(b" " * 10_000, wbits=31)
    headers = kind | {"Content-Encoding": "gzip"}
    assert registered.client.post(path, content=bomb, headers=headers).status_code == 413
    assert registered.client.post(path, content=b" " * 2_000, headers=kind).status_code == 413
    unknown = kind | {"Content-Encoding": "br"}
    assert registered.client.post(path, content=body, headers=unknown).status_code == 400


def test_raw_personal_data_is_stored_nowhere(registered: Served) -> None:
    match = {"email": "jane@example.com", "hashed_phone": "+12125550000"}
    answer = registered.log(call(raw.event(user_match=match)))
    assert answer.status_code == 200
    assert any("raw_pii_dropped" in warning for warning in answer.json()["warnings"])
    content = b"".join(path.read_bytes() for path in registered.folder.iterdir())
    assert b"jane" not in content
    assert b"2125550000" not in content


def test_half_a_surrogate_pair_beside_raw_personal_data_is_no_fault(registered: Served) -> None:
    answer = registered.client.post(
        "/api/buyer/advertisers/adv/log-event",
        content=json.dumps(call(raw.event(user_match={"email": "jane@a.example"}), "\ud83d")),
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["events_processed"] == 1
    (line,) = registered.stored()
    assert line.endswith(b',"\\ud83d"]}')


def test_sources_are_created_updated_and_deleted(served: Served) -> None:
    base = "/api/buyer/advertisers/adv/event-sources"

    def sync(*sources: dict[str, Any], **fields: object) -> dict[str, str]:
        answer = served.client.post(f"{base}/sync", json={"event_sources": list(sources), **fields})
        assert answer.status_code == 200, answer.text
        return {each["event_source_id"]: each["action"] for each in answer.json()["event_sources"]}

    one, two = {"event_source_id": "one"}, {"event_source_id": "two", "name": "Two"}
    assert sync(one, two) == {"one": "created", "two": "created"}
    assert sync(one) == {"one": "unchanged"}
    assert sync(one | {"name": "One"}) == {"one": "updated"}
    assert sync(two, delete_missing=True) == {"two": "unchanged", "one": "deleted"}
    listed = served.client.get(base, params={"take": 1}).json()
    assert (listed["total"], listed["eventSources"][0]["eventSourceId"]) == (1, "two")
    assert served.log(call(raw.event(), event_source_id="one")).status_code == 404


def test_a_source_that_asks_for_what_is_not_there_fails_alone(served: Served) -> None:
    sources = [{"event_source_id": "bad", "allowed_domains": ["https://a.example/"]}]
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    body = {"event_sources": [*sources, {"event_source_id": "good"}], "delete_missing": True}
    failed, created = served.client.post(path, json=body).json()["event_sources"]
    assert failed == {
        "event_source_id": "bad",
        "action": "failed",
        "error": "a bare host name such as shop.example.com is expected",
    }
    assert created.keys() == {"event_source_id", "action", "setup"}


@pytest.mark.parametrize(
    "sources",
    [None, [], [{"event_source_id": 1}], [{"event_source_id": "a"}] * 2, [None], [{}] * 51],
)
def test_a_sync_that_is_not_sound_changes_nothing(served: Served, sources: object) -> None:
    path = "/api/buyer/advertisers/adv/event-sources/sync"
    answer = served.client.post(path, json={"event_sources": sources})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert not (served.folder / "event_sources.ndjson").exists()


def test_health_metrics_and_description(registered: Served) -> None:
    registered.log(call(raw.event()))
    assert registered.client.get("/healthz").json() == {"status": "ok"}
    assert registered.client.get("/readyz").json() == {"ready": True}
    metrics = registered.client.get("/metrics").text
    assert 'tributary_api_calls_total{route="log-event",status="200"}' in metrics
    assert "adv" not in metrics
    paths = registered.client.get("/openapi.json").json()["paths"]
    assert "/agentic/v1/capi" in paths


def test_an_event_of_ecapi_is_stored_as_one_of_ours(registered: Served) -> None:
    _, secret = registered.keys.create("one", advertisers=["adv"], rights=["write"])
    headers = {"Authorization": f"Bearer {secret}"}
    event = {
        "data_set_id": "src",
        "id": "e1",
        "timestamp": 1777231800,
        "event_type": "generate_lead",
        "user_data": {"email_address": ["jane@example.com"], "click_id": "c1"},
        "value": 7.10,
        "currency_code": "USD",
    }
    answer = registered.client.post("/agentic/v1/events", json=event, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["mapping"]["mapped"]["id"] == "event_id"
    (line,) = registered.stored()
    assert b"jane" not in line
    assert json.loads(line)["events"][0]["event_type"] == "lead"
    unknown = registered.client.post("/agentic/v1/events", json={"id": "e1"}, headers=headers)
    assert unknown.status_code == 400


def test_ready_is_what_can_store_in_time(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registered.client.get("/readyz").json() == {"ready": True}
    monkeypatch.setattr(operations, "READY_SECONDS_MAX", 0.1)
    release = threading.Event()
    monkeypatch.setattr("os.fdatasync", lambda _descriptor: release.wait(10))
    answer = registered.client.get("/readyz")
    release.set()
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert registered.client.get("/healthz").status_code == 200
