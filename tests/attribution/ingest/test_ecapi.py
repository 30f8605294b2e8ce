"""Events of ECAPI: what they become, and what the report says of it."""

import json
from typing import Any

import pytest

from attribution.contract.document import JsonObject, dump_json, read_document
from attribution.contract.event import judge_event
from attribution.contract.verdicts import EventRecord
from attribution.ingest.ecapi import from_ecapi
from attribution.policy import Policy

HASH = "ab" * 32
FULL = {
    "data_set_id": "pixel",
    "id": "e1",
    "timestamp": 1777231800.25,
    "event_type": "begin_checkout",
    "source": "physical_store",
    "value": 12.50,
    "currency_code": "EUR",
    "user_data": {
        "email_address": [HASH],
        "uids": [{"id": "u1", "source": "uidapi.com", "atype": 3}],
        "ifa": "6D92078A-8246-4BA4-AE5B-76104861E7DC",
        "click_id": "c1",
        "event_ip_address": "192.0.2.7",
        "event_user_agent": "agent",
        "gpp_string": "DBAA",
        "impression_id": "i1",
    },
    "properties": {
        "transaction_id": "t1",
        "page_url": "https://shop.example/x",
        "items": [{"id": "sku", "quantity": 2, "price": 6.25, "name": "Shoe"}],
        "colour": "red",
    },
    "partner": "x",
}


def mapped(**changes: Any) -> tuple[dict[str, Any], EventRecord]:  # noqa: ANN401  any field
    """Map an event, and judge what it became."""
    read = read_document(json.dumps({**FULL, **changes}).encode())
    assert isinstance(read, JsonObject)
    call, _ = from_ecapi(read)
    again = read_document(dump_json(call).encode())
    assert isinstance(again, JsonObject)
    record = judge_event(again["events"][0], policy=Policy())  # type: ignore[index]
    assert isinstance(record, EventRecord), record
    return call, record


def test_every_field_has_its_place() -> None:
    call, record = mapped()
    assert call["event_source_id"] == "pixel"
    assert (record.event_type, record.action_source) == ("initiate_checkout", "in_store")
    assert record.event_time == 1_777_231_800_250_000
    assert (str(record.value), record.currency, record.order_id) == ("12.500000", "EUR", "t1")
    assert record.event_source_host == "shop.example"
    assert record.carries == {"hashed_email", "uid2", "maid", "click", "ip_ua"}


def test_the_report_names_what_was_moved_and_what_was_left_out() -> None:
    _, report = from_ecapi(FULL)
    assert report.mapped["user_data.event_ip_address"] == "user_match.client_ip"
    assert report.mapped["properties.transaction_id"] == "custom_data.order_id"
    assert report.dropped == ["properties.colour", "user_data.impression_id", "partner"]


@pytest.mark.parametrize(
    ("given", "kind", "name"),
    [
        ({"event_type": "purchase"}, "purchase", None),
        ({"event_type": "custom", "custom_event": "booked"}, "custom", "booked"),
        ({"event_type": "viewed_map"}, "custom", "viewed_map"),
    ],
)
def test_types_without_a_counterpart_are_custom(
    given: dict[str, Any], kind: str, name: str | None
) -> None:
    _, record = mapped(**given)
    assert (record.event_type, record.custom_event_name) == (kind, name)


@pytest.mark.parametrize("broken", [{"user_data": 5}, {"properties": []}, {"timestamp": 1e300}, {}])
def test_anything_is_mapped_without_a_crash(broken: dict[str, Any]) -> None:
    call, _ = from_ecapi(broken)
    assert len(call["events"]) == 1
