"""Impressions and clicks over HTTP: arrays and lines, judged and kept record by record."""

import json
from typing import Any

import pytest

from connectors.spool.store import StoreFullError
from connectors.spool.writer import Spool
from tests.connectors.api.conftest import Served
from tests.support import raw

PATH = "/api/buyer/advertisers/adv/impressions"


def lines(*records: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def send_lines(served: Served, body: bytes, **params: str) -> Any:  # noqa: ANN401  an answer
    headers = {"Content-Type": "application/x-ndjson"}
    return served.client.post(PATH, content=body, headers=headers, params=params)


def test_an_array_is_answered_and_stored_record_by_record(served: Served) -> None:
    sent = [raw.impression("i1"), raw.click("i1"), raw.impression("i2", campaign_id=None), None]
    answer = served.client.post(PATH.replace("/api/", "/api/v2/"), json=sent)
    assert answer.status_code == 200, answer.text
    failures = answer.json()["partial_failures"]
    assert answer.json() == {
        "records_received": 4,
        "records_processed": 2,
        "partial_failures": failures,
        "warnings": [],
        "match_quality": 0.9,
    }
    assert [(each["impression_id"], each["code"]) for each in failures] == [
        ("i2", "INVALID_CAMPAIGN_ID"),
        ("record_3", "INVALID_REQUEST"),
    ]
    assert failures[0]["message"].endswith("(at /2/campaign_id)")
    assert failures[1]["message"].endswith("(at /3)")
    stored = [json.loads(line) for line in served.stored("impressions")]
    assert [(each["impression_id"], each["type"]) for each in stored] == [
        ("i1", "impression"),
        ("i1", "click"),
    ]
    first, last = answer.headers["Tributary-Receipt"].split(", ")
    assert (first[-2:], last[-2:]) == ("@0", "@1")
    assert (served.folder / first.removeprefix("impressions/").partition("@")[0]).exists()


def test_lines_are_records_and_a_broken_one_is_refused_alone(served: Served) -> None:
    body = lines(raw.impression("i1")) + b'\r\n {"a"\n\n' + lines(raw.click("i2")).rstrip()
    answer = send_lines(served, body)
    assert answer.status_code == 200, answer.text
    (failure,) = answer.json()["partial_failures"]
    assert (failure["impression_id"], failure["code"]) == ("record_1", "INVALID_REQUEST")
    assert failure["message"].endswith("(at /1)")
    assert len(served.stored("impressions")) == 2


def test_the_path_decides_the_advertiser_and_the_clock_the_arrival(served: Served) -> None:
    sent = raw.impression(advertiser_id="other", received_at=None) | {"received_at": "yesterday"}
    assert send_lines(served, lines(sent)).json()["records_processed"] == 1
    (line,) = served.stored("impressions")
    stored = json.loads(line)
    assert (list(stored)[:2], stored["advertiser_id"]) == (["received_at", "advertiser_id"], "adv")
    assert b"other" not in line
    assert b"yesterday" not in line


def test_a_dry_run_stores_nothing(served: Served) -> None:
    answer = send_lines(served, lines(raw.impression()), validate_only="true")
    assert answer.json()["records_processed"] == 1
    assert "Tributary-Receipt" not in answer.headers
    assert served.stored("impressions") == []


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"[", "application/json", 400, "BAD_REQUEST"),
        (b"{}", "application/json", 400, "BAD_REQUEST"),
        (b"[" * 5_000, "application/json", 400, "BAD_REQUEST"),
        (b'["\xff"]', "application/json", 400, "BAD_REQUEST"),
        (b"[]", "application/json", 400, "VALIDATION_ERROR"),
        (b"[" + b"1," * 10_000 + b"1]", "application/json", 400, "VALIDATION_ERROR"),
        (b" \n\r\n", "application/x-ndjson", 400, "VALIDATION_ERROR"),
        (b"1\n" * 10_001, "application/x-ndjson; charset=utf-8", 400, "VALIDATION_ERROR"),
        (b"[]", "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
def test_a_refused_call_says_why(
    served: Served, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = served.client.post(PATH, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert served.stored("impressions") == []


def test_raw_personal_data_is_stored_nowhere(served: Served) -> None:
    match = {
        "email": "jane@example.com",
        "hashed_phone": "+12125550000",
        "uids": [
            {"type": "hashed_email", "value": "Jane@example.com"},
            raw.UID2["uids"][0],
        ],
    }
    answer = send_lines(served, lines(raw.impression(user_match=match, title="\ud83d")))
    assert answer.json()["records_processed"] == 1, answer.text
    assert any("raw_pii_dropped" in warning for warning in answer.json()["warnings"])
    content = b"".join(path.read_bytes() for path in served.folder.iterdir())
    assert b"jane" not in content.lower()
    assert b"2125550000" not in content
    assert b"u1" in content


def test_an_event_with_raw_data_and_half_a_character_is_kept(registered: Served) -> None:
    event = raw.event(user_match={"email": "jane@example.com"}, title="\ud83d")
    body = json.dumps(raw.envelope(event, received_at=None))
    path = PATH.replace("impressions", "log-event")
    kind = {"Content-Type": "application/json"}
    answer = registered.client.post(path, content=body, headers=kind)
    assert answer.status_code == 200, answer.text
    assert b"\\ud83d" in registered.stored()[0]


def test_with_a_full_store_it_is_to_be_sent_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_spool: Spool, _document: bytes, _key: str) -> None:
        raise StoreFullError

    monkeypatch.setattr(Spool, "append", full)
    answer = send_lines(served, lines(raw.impression()))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    monkeypatch.setattr(Spool, "has_room", lambda _spool: False)
    answer = send_lines(served, lines(raw.impression()))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")


def test_a_key_of_another_advertiser_is_not_told_of_this_one(served: Served) -> None:
    _, secret = served.keys.create("one", advertisers=["mine"], rights=["write"])
    headers = {"Authorization": f"Bearer {secret}"}
    assert served.client.post(PATH, json=[raw.impression()], headers=headers).status_code == 404
    assert served.client.post(PATH, json=[], headers={"Authorization": ""}).status_code == 401


def test_ten_thousand_records_are_one_call(served: Served) -> None:
    body = lines(*(raw.impression(f"i{number}") for number in range(10_000)))
    answer = send_lines(served, body)
    assert answer.json()["records_processed"] == 10_000
    assert len(served.stored("impressions")) == 10_000
    assert answer.headers["Tributary-Receipt"].endswith("@9999")
