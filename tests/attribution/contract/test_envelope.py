"""The frame of a request: sound, or refused whole."""

from typing import Any

import pytest

from attribution.contract.envelope import MAX_EVENTS, judge_envelope
from attribution.contract.verdicts import Envelope, Refusal
from attribution.vocabulary import Code
from tests.attribution.contract.builders import ABSENT, MICROSECONDS, TIME, envelope


def test_a_frame_is_taken_out_of_its_request() -> None:
    assert judge_envelope(
        envelope(
            test_event_code="T1",
            idempotency_key="k" * 16,
            adcp_version="3.17",
            adcp_major_version=3,
            account={"account_id": "x"},
            context=[],
        )
    ) == Envelope(
        advertiser_id="adv-7",
        event_source_id="shop",
        received_at=MICROSECONDS,
        test_event_code="T1",
        events=[{"event_id": "e-1"}],
        latest_event_time=None,
    )


def test_null_is_absent_everywhere() -> None:
    names = ("test_event_code", "idempotency_key", "adcp_version", "adcp_major_version")
    assert judge_envelope(envelope(**dict.fromkeys(names))) == judge_envelope(envelope())


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"advertiser_id": ABSENT}, "INVALID_REQUEST", "advertiser_id"),
    ({"advertiser_id": ""}, "INVALID_REQUEST", "advertiser_id"),
    ({"event_source_id": None}, "INVALID_REQUEST", "event_source_id"),
    ({"event_source_id": "s" * 257}, "INVALID_REQUEST", "event_source_id"),
    ({"received_at": "yesterday"}, "INVALID_REQUEST", "received_at"),
    ({"received_at": 5}, "INVALID_REQUEST", "received_at"),
    ({"events": ABSENT}, "INVALID_REQUEST", "events"),
    ({"events": {}}, "INVALID_REQUEST", "events"),
    ({"events": []}, "INVALID_REQUEST", "events"),
    ({"events": [1] * (MAX_EVENTS + 1)}, "INVALID_REQUEST", "events"),
    ({"test_event_code": ""}, "INVALID_REQUEST", "test_event_code"),
    ({"test_event_code": "t" * 257}, "INVALID_REQUEST", "test_event_code"),
    ({"idempotency_key": "k" * 15}, "INVALID_REQUEST", "idempotency_key"),
    ({"idempotency_key": "k" * 256}, "INVALID_REQUEST", "idempotency_key"),
    ({"idempotency_key": "k" * 16 + "\n"}, "INVALID_REQUEST", "idempotency_key"),
    ({"adcp_version": "3"}, "INVALID_REQUEST", "adcp_version"),
    ({"adcp_version": 3.1}, "INVALID_REQUEST", "adcp_version"),
    ({"adcp_version": "9.0"}, "VERSION_UNSUPPORTED", "adcp_version"),
    ({"adcp_major_version": 0}, "INVALID_REQUEST", "adcp_major_version"),
    ({"adcp_major_version": 100}, "INVALID_REQUEST", "adcp_major_version"),
    ({"adcp_major_version": 4}, "VERSION_UNSUPPORTED", "adcp_major_version"),
    ({"adcp_version": "3.0", "adcp_major_version": 2}, "VERSION_UNSUPPORTED", "adcp_major_version"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED)
def test_a_bad_frame_is_refused_with_its_field(
    changes: dict[str, Any], code: str, field: str
) -> None:
    refusal = judge_envelope(envelope(**changes))
    assert isinstance(refusal, Refusal)
    assert (refusal.code.value, refusal.field) == (code, field)


def test_ten_thousand_events_are_not_too_many() -> None:
    assert isinstance(judge_envelope(envelope(events=[1] * MAX_EVENTS)), Envelope)


def test_a_refusal_keeps_what_is_valid_and_counts_its_events() -> None:
    assert judge_envelope(
        envelope(idempotency_key="short", test_event_code="T1", events=[1, 2])
    ) == Refusal(
        code=Code.INVALID_REQUEST,
        message="idempotency_key must be 16 to 255 of the characters A-Z a-z 0-9 _ . : -; "
        "got a string of length 5",
        field="idempotency_key",
        advertiser_id="adv-7",
        event_source_id="shop",
        received_at=MICROSECONDS,
        test_event_code="T1",
        events=2,
        latest_event_time=None,
    )
    assert judge_envelope(
        envelope(advertiser_id=1, event_source_id=2, received_at=3, test_event_code=4, events=5)
    ) == Refusal(
        code=Code.INVALID_REQUEST,
        message="advertiser_id must be a string of 1 to 256 characters; got a number",
        field="advertiser_id",
        advertiser_id=None,
        event_source_id=None,
        received_at=None,
        test_event_code=None,
        events=1,
        latest_event_time=None,
    )


def test_an_empty_array_holds_no_events() -> None:
    refusal = judge_envelope(envelope(events=[]))
    assert isinstance(refusal, Refusal)
    assert refusal.events == 0


@pytest.mark.parametrize(
    ("events", "latest"),
    [
        (
            [{"event_time": "2026-05-01T07:00:00Z"}, {"event_time": TIME, "event_id": 0}],
            MICROSECONDS,
        ),
        ([{"event_time": TIME}, {"event_time": "later"}, "x", {}], MICROSECONDS),
        ([{"event_time": None}, None], None),
    ],
)
def test_without_an_arrival_the_latest_event_time_is_known(
    events: list[Any], latest: int | None
) -> None:
    sound = judge_envelope(envelope(received_at=ABSENT, events=events))
    assert isinstance(sound, Envelope)
    refused = judge_envelope(envelope(received_at=ABSENT, events=events, advertiser_id=""))
    assert isinstance(refused, Refusal)
    assert sound.latest_event_time == refused.latest_event_time == latest
