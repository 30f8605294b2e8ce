"""Calls with an idempotency key over HTTP: kept once, answered again, and judged as any other."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from connectors.api.once import KEYS_BURST
from connectors.spool.store import StoreFullError
from tests.connectors.api.conftest import Served
from tests.connectors.api.test_app import call
from tests.support import raw

KEY = "order-1:attempt.1"
SYNC = "/api/buyer/advertisers/adv/event-sources/sync"


def keyed(*events: object, key: str = KEY, **fields: object) -> dict[str, Any]:
    return call(*(events or (raw.event(), None)), idempotency_key=key, **fields)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_copy_gets_the_answer_of_the_first_byte_for_byte(registered: Served) -> None:
    first = registered.log(keyed())
    copy = registered.log(keyed())
    assert first.status_code == 200, first.text
    assert "Idempotent-Replayed" not in first.headers
    assert copy.content == first.content
    assert copy.headers["Idempotent-Replayed"] == "true"
    assert copy.headers["Tributary-Receipt"] == first.headers["Tributary-Receipt"]
    (line,) = registered.stored()
    assert list(json.loads(line))[:3] == ["received_at", "claim", "advertiser_id"]


def test_a_copy_may_have_another_context_order_and_spelling(registered: Served) -> None:
    first = registered.log(keyed(context={"trace": 1}))
    document = keyed(context={"trace": 2})
    turned = json.dumps(dict(reversed(document.items())), indent=1).replace("a", "\\u0061")
    copy = registered.client.post(
        "/api/v2/buyer/advertisers/adv/log-event",
        content=turned,
        headers={"Content-Type": "application/json"},
    )
    assert copy.content == first.content
    assert len(registered.stored()) == 1


def test_another_request_with_the_key_is_refused_and_told_nothing(registered: Served) -> None:
    assert registered.log(keyed()).status_code == 200
    for other in (keyed(ext={}), keyed(raw.event("e2")), keyed() | {"adcp_version": None}):
        refused = registered.log(other)
        assert code_of(refused) == (409, "CONFLICT"), other
        assert refused.json()["error"].keys() == {"code", "message"}
    assert len(registered.stored()) == 1


def test_a_key_is_one_per_agent_and_advertiser(registered: Served) -> None:
    source = {"event_sources": [{"event_source_id": "src"}]}
    registered.client.post(SYNC.replace("/adv/", "/two/"), json=source)
    _, secret = registered.keys.create("another")
    answers = [
        registered.log(keyed()),
        registered.log(keyed(), advertiser="two"),
        registered.log(keyed(), headers={"Authorization": f"Bearer {secret}"}),
    ]
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert [each.headers.get("Idempotent-Replayed") for each in answers] == [None] * 3
    assert len(registered.stored()) == 3


def test_a_key_of_another_form_is_refused(registered: Served) -> None:
    for key in ("a" * 15, "a" * 256, "abcdefgh ijklmnopq", 1, ["a" * 16]):
        refused = registered.log({**keyed(), "idempotency_key": key})
        assert code_of(refused) == (400, "VALIDATION_ERROR"), key
        assert refused.json()["error"]["field"] == "idempotency_key"


def test_a_refused_call_claims_nothing(registered: Served) -> None:
    assert registered.log(keyed(event_source_id="none")).status_code == 404
    assert registered.log(keyed(), params={"validate_only": "true"}).status_code == 200
    assert registered.log(keyed()).headers.get("Idempotent-Replayed") is None


def test_a_call_that_could_not_be_kept_may_be_sent_again(
    registered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(document: bytes, key: str) -> None:
        del document, key
        raise StoreFullError

    with monkeypatch.context() as patch:
        patch.setattr(registered.spool, "append", full)
        assert code_of(registered.log(keyed())) == (503, "SERVICE_UNAVAILABLE")
    again = registered.log(keyed())
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (200, None)


def test_copies_at_once_are_kept_once(registered: Served) -> None:
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: registered.log(keyed()), range(32)))
    statuses = {each.status_code for each in answers}
    assert statuses <= {200, 409}
    for each in answers:
        if each.status_code == 409:
            assert code_of(each) == (409, "IDEMPOTENCY_IN_FLIGHT")
            assert each.headers["Retry-After"] == "1"
    fresh = [
        each
        for each in answers
        if each.status_code == 200 and "Idempotent-Replayed" not in each.headers
    ]
    assert len(fresh) == len(registered.stored()) == 1


def test_new_keys_are_limited_and_copies_are_not(registered: Served) -> None:
    def send(number: int) -> httpx.Response:
        return registered.log(keyed(raw.event(), key=f"{number:016}"))

    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(send, range(2 * KEYS_BURST)))
    limited = [each for each in answers if each.status_code == 429]
    if limited:
        assert code_of(limited[0]) == (429, "RATE_LIMITED")
        assert limited[0].headers["Retry-After"] == "1"
    assert len(registered.stored()) == len(answers) - len(limited)
    assert send(0).headers["Idempotent-Replayed"] == "true"


def test_a_sync_is_done_once(served: Served) -> None:
    body = {"idempotency_key": KEY, "event_sources": [{"event_source_id": "src"}]}
    first = served.client.post(SYNC, json=body)
    assert first.json()["event_sources"][0]["action"] == "created"
    copy = served.client.post(SYNC, json=body)
    assert copy.content == first.content
    assert copy.headers["Idempotent-Replayed"] == "true"
    assert (served.folder / "event_sources.ndjson").read_bytes().count(b"\n") == 1
    assert code_of(served.client.post(SYNC, json={**body, "delete_missing": True})) == (
        409,
        "CONFLICT",
    )
    refused = served.client.post(SYNC, json={**body, "idempotency_key": "short"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "idempotency_key")


def test_a_source_cannot_set_what_is_ours(served: Served) -> None:
    number = (
        '{"event_source_id":"src","deleted":true,"received_at":"1999-01-01T00:00:00Z","claim":"c"'
    )
    content = '{"event_sources":[' + number + ',"ext":{"ratio":1.50,"half":"\\ud83d"}}]}'
    headers = {"Content-Type": "application/json"}
    answer = served.client.post(SYNC, content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    line = (served.folder / "event_sources.ndjson").read_bytes()
    assert b"1999" not in line
    assert b'"deleted"' not in line
    assert b'"ratio":1.50,"half":"\\ud83d"' in line
    assert served.log(call(raw.event())).status_code == 200
