"""No raw personal data is left in what is stored, and the verdict on it is the same."""

import json
from typing import Any

import pytest

from attribution.contract.document import JsonObject, dump_json, read_document, write_document
from attribution.contract.event import judge_event
from attribution.ingest.scrub import is_surely_clean, scrubbed, scrubbed_events
from attribution.policy import Policy
from tests.support import raw


def document(**match: object) -> JsonObject:
    event = raw.event(user_match={**raw.UID2, **match})
    envelope = raw.envelope(event)
    sent = {name: envelope[name] for name in ("event_source_id", "events")}
    read = read_document(json.dumps(sent).encode())
    assert isinstance(read, JsonObject)
    return read


@pytest.mark.parametrize(
    ("match", "secret"),
    [
        ({"email": "jane@example.com"}, "jane"),
        ({"Phone": "+1 212 555 0000"}, "212"),
        ({"hashed_email": "jane@example.com"}, "jane"),
        ({"hashed_phone": "+12125550000"}, "2125550000"),
        ({"hashed_email": "Jane Doe"}, "Jane"),
        ({"address": {"street": "Elm Street"}}, "Elm"),
        ({"ext": {"Last_Name": "Doe"}}, "Doe"),
        ({"uids": [{"type": "Hashed_Email", "value": "jane@example.com"}]}, "jane"),
        ({"uids": [{"type": "hashed_email", "value": "j@e" * 200}]}, "j@e"),
        ({"uids": ["jane@example.com"]}, "jane"),
        ({"uids": "jane@example.com"}, "jane"),
        ({"hashed_phone": 12125550000}, "2125550000"),
    ],
)
def test_what_was_sent_in_the_clear_is_replaced(match: dict[str, Any], secret: str) -> None:
    before = document(**match)
    assert not is_surely_clean(dump_json(before).encode())
    after, is_changed = scrubbed(before)
    assert is_changed
    text = dump_json(after)
    assert secret in dump_json(before)
    assert secret not in text
    again = read_document(text.encode())
    assert isinstance(again, JsonObject)
    verdicts = [judge_event(each["events"][0], policy=Policy()) for each in (before, again)]  # type: ignore[index]
    assert verdicts[0] == verdicts[1]


def test_a_sound_document_is_left_as_it_is() -> None:
    before = document(hashed_email="ab" * 32, hashed_phone=None)
    assert scrubbed(before) == (before, False)
    assert is_surely_clean(dump_json(before).encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"email": "jane@example.com", "events": []}',
        '{"events": [{"Phone" : "+1 212"}]}',
        '{"events": [{"user_match": "jane@example.com"}]}',
        '{"events": [{"user_match": {"em\\u0061il": "jane@example.com"}}]}',
    ],
)
def test_it_is_found_wherever_and_however_it_is_written(text: str) -> None:
    assert not is_surely_clean(text.encode())
    read = read_document(text.encode())
    assert isinstance(read, JsonObject)
    after, is_changed = scrubbed(read)
    assert is_changed
    assert "jane" not in dump_json(after)


def test_every_copy_of_a_repeated_key_is_replaced() -> None:
    line = b'{"events":[{"user_match":{"email":"a@b.c","email":"d@e.f"}}]}'
    read = read_document(line)
    assert isinstance(read, JsonObject)
    assert "@" not in dump_json(scrubbed(read)[0])


def test_half_of_a_surrogate_pair_stays_what_it_is() -> None:
    line = b'{"events":[{"event_id":"\\ud83d","user_match":{"email":"a@b.c"}}]}'
    read = read_document(line)
    assert isinstance(read, JsonObject)
    assert scrubbed_events(line) is None, "it is read whole"
    text = write_document(scrubbed(read)[0])
    assert b"@" not in text
    assert read_document(text)["events"][0]["event_id"] == "\ud83d"  # type: ignore[index]


def test_what_the_server_sets_is_left_out() -> None:
    read = read_document(b'{"received_at":"x","a":1,"advertiser_id":"b","claim":"c","events":[]}')
    assert isinstance(read, JsonObject)
    assert not is_surely_clean(dump_json(read).encode())
    assert dump_json(scrubbed(read)[0]) == '{"a":1,"events":[]}'
