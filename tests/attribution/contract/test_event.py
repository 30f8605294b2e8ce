"""Events, field by field: what is accepted, what is refused with which code at which place."""

from decimal import Decimal
from typing import Any

import pytest

from attribution.contract.event import judge_event
from attribution.contract.verdicts import EventRecord, Rejection
from attribution.vocabulary import ACTION_SOURCES, EVENT_TYPES, Code, Warn
from tests.attribution.contract.builders import (
    ABSENT,
    EMAIL,
    MICROSECONDS,
    POLICY,
    TIME,
    accept,
    event,
    judge,
    reject,
    repaired,
)


def test_a_full_event_becomes_a_whole_record() -> None:
    assert accept(
        event_type="purchase",
        custom_event_name="spring_sale",
        action_source="app",
        event_source_url="https://Shop.Example.org:8443/done?x=1",
        user_match={"hashed_email": EMAIL},
        custom_data={
            "value": 12.5,
            "currency": "EUR",
            "order_id": "o-9",
            "num_items": 2.0,
            "content_ids": ["b", "a"],
            "margin": {"net": 1.10},
        },
        ext={"anything": [1]},
        unheard_of=True,
    ) == EventRecord(
        event_id="e-1",
        event_type="purchase",
        custom_event_name="spring_sale",
        event_time=MICROSECONDS,
        action_source="app",
        event_source_url="https://Shop.Example.org:8443/done?x=1",
        event_source_host="shop.example.org",
        value=Decimal("12.500000"),
        currency="EUR",
        order_id="o-9",
        num_items=2,
        content_ids=["b", "a"],
        custom_data='{"value":12.5,"currency":"EUR","order_id":"o-9","num_items":2.0,'
        '"content_ids":["b","a"],"margin":{"net":1.1}}',
        carries=frozenset({"hashed_email"}),
        match_keys=frozenset({("hashed_email", EMAIL)}),
        warnings=(),
        dropped=(),
    )


def test_the_least_event_becomes_a_record_of_nothing() -> None:
    assert accept(user_match=ABSENT) == EventRecord(
        event_id="e-1",
        event_type="lead",
        custom_event_name=None,
        event_time=MICROSECONDS,
        action_source=None,
        event_source_url=None,
        event_source_host=None,
        value=None,
        currency=None,
        order_id=None,
        num_items=None,
        content_ids=None,
        custom_data=None,
        carries=frozenset(),
        match_keys=frozenset(),
        warnings=(Warn.MISSING_USER_MATCH,),
        dropped=(),
    )


def test_null_is_absent_everywhere() -> None:
    optional = (
        "custom_event_name",
        "action_source",
        "event_source_url",
        "surface",
        "user_match",
        "custom_data",
        "value",
        "currency",
        "content_ids",
    )
    assert accept(**dict.fromkeys(optional)) == accept(user_match=ABSENT)


@pytest.mark.parametrize(
    ("url", "is_odd"),
    [
        ("https://shop.example/done?x=1&y=%C3%BC#top", False),
        ("https://[2001:db8::1]:443/x", False),
        ("shopapp:///done", False),
        ("mailto:me@shop.example", False),
        ("https://shop.example/a b", True),
        ("https://shop.example/a ", True),
        ("https://shop.example/?campaign=a|b", True),
        ("https://shop.example/?items[]=1", True),
        ("https://shop.example/?q=100%", True),
        ("https://shop.example/?q=%zz", True),
        ("https://shop.example/#a#b", True),
        ("https://shop.example/\u00fc", True),
        ("https://m\u00fcnchen.example/", True),
        ("shopapp://basket/{id}", True),
    ],
)
def test_an_url_that_should_have_been_escaped_is_kept_with_a_warning(
    url: str, *, is_odd: bool
) -> None:
    record = accept(event_source_url=url)
    assert record.event_source_url == url
    assert repaired(record) == (("odd_event_source_url",) if is_odd else (), ())


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"event_id": ABSENT}, "INVALID_EVENT_ID", "event_id"),
    ({"event_id": None}, "INVALID_EVENT_ID", "event_id"),
    ({"event_id": ""}, "INVALID_EVENT_ID", "event_id"),
    ({"event_id": "i" * 257}, "INVALID_EVENT_ID", "event_id"),
    ({"event_id": 17}, "INVALID_EVENT_ID", "event_id"),
    ({"event_type": ABSENT}, "MISSING_EVENT_TYPE", "event_type"),
    ({"event_type": None}, "MISSING_EVENT_TYPE", "event_type"),
    ({"event_type": "Lead"}, "INVALID_EVENT_TYPE", "event_type"),
    ({"event_type": "impulse"}, "INVALID_EVENT_TYPE", "event_type"),
    ({"event_type": ["lead"]}, "INVALID_EVENT_TYPE", "event_type"),
    ({"event_time": ABSENT}, "INVALID_EVENT_TIME", "event_time"),
    ({"event_time": 1_777_593_600}, "INVALID_EVENT_TIME", "event_time"),
    ({"event_time": "2026-05-01 08:00:00Z"}, "INVALID_EVENT_TIME", "event_time"),
    ({"event_type": "custom"}, "MISSING_CUSTOM_EVENT_NAME", "custom_event_name"),
    (
        {"event_type": "custom", "custom_event_name": " \t"},
        "MISSING_CUSTOM_EVENT_NAME",
        "custom_event_name",
    ),
    ({"custom_event_name": 3}, "INVALID_REQUEST", "custom_event_name"),
    ({"custom_event_name": "n" * 257}, "INVALID_REQUEST", "custom_event_name"),
    ({"action_source": "web"}, "INVALID_ACTION_SOURCE", "action_source"),
    ({"action_source": True}, "INVALID_ACTION_SOURCE", "action_source"),
    ({"event_source_url": "shop/basket"}, "INVALID_EVENT_SOURCE_URL", "event_source_url"),
    ({"event_source_url": ""}, "INVALID_EVENT_SOURCE_URL", "event_source_url"),
    ({"event_source_url": {}}, "INVALID_EVENT_SOURCE_URL", "event_source_url"),
    ({"user_match": [EMAIL]}, "INVALID_REQUEST", "user_match"),
    ({"custom_data": "none"}, "INVALID_CUSTOM_DATA", "custom_data"),
    ({"custom_data": []}, "INVALID_CUSTOM_DATA", "custom_data"),
]


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED)
def test_a_bad_field_is_refused_with_its_code(
    changes: dict[str, Any], code: str, field: str
) -> None:
    assert reject(**changes) == (code, field)


@pytest.mark.parametrize("given", [None, 1, "e", True, []])
def test_what_is_no_object_is_refused_without_a_field(given: object) -> None:
    assert judge_event(given, policy=POLICY) == Rejection(
        code=Code.INVALID_REQUEST, message="an event must be an object", field=None
    )


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_of_the_vocabulary_is_kept_as_sent(event_type: str) -> None:
    record = accept(
        event_type=event_type,
        custom_event_name="n",
        custom_data={"progress_percent": 50},
    )
    assert record.event_type == event_type
    is_standard = event_type not in {"deposit", "subscription"}
    expected = () if is_standard else ("nonstandard_event_type",)
    assert repaired(record) == (expected, ())


@pytest.mark.parametrize("action_source", ACTION_SOURCES)
def test_every_action_source_is_kept(action_source: str) -> None:
    assert accept(action_source=action_source).action_source == action_source


@pytest.mark.parametrize(
    ("changes", "warnings", "dropped"),
    [
        ({"action_source": "website"}, ("missing_event_source_url",), ()),
        ({"action_source": "website", "event_source_url": "https://a.example/"}, (), ()),
        ({"event_time": "2026-06-30T23:59:60Z"}, ("event_time_clamped",), ()),
        ({"surface": {"category": "owned_property", "namespace": "video"}}, (), ()),
        ({"surface": {}}, ("invalid_surface",), ("surface",)),
        ({"surface": "app"}, ("invalid_surface",), ("surface",)),
        ({"surface": {"category": "app", "namespace": ""}}, ("invalid_surface",), ("surface",)),
        (
            {"surface": {"category": 1, "property_id": 2}, "action_source": "website"},
            ("missing_event_source_url", "invalid_surface"),
            ("surface",),
        ),
        ({"custom_event_name": ""}, (), ()),
        ({"event_id": "é" * 256}, (), ()),
    ],
)
def test_what_is_repaired_is_accepted_with_a_warning(
    changes: dict[str, Any], warnings: tuple[str, ...], dropped: tuple[str, ...]
) -> None:
    assert repaired(accept(**changes)) == (warnings, dropped)


def test_a_rejection_names_the_event_by_what_is_valid_in_it() -> None:
    assert judge(event_time="soon", event_type="bogus") == Rejection(
        code=Code.INVALID_EVENT_TYPE,
        message="event_type must be an event type of the log-event guide or of AdCP, spelt in "
        "lower case; got a string of length 5",
        field="event_type",
        record_id="e-1",
        event_type=None,
    )
    assert judge(event_id=5, event_time="soon") == Rejection(
        code=Code.INVALID_EVENT_ID,
        message="event_id must be a string of 1 to 256 characters; got a number",
        field="event_id",
        record_id=None,
        event_type="lead",
    )
    assert judge(custom_data={"value": 1}) == Rejection(
        code=Code.CURRENCY_REQUIRED,
        message="custom_data.currency must be there when custom_data.value is",
        field="custom_data.currency",
        record_id="e-1",
        event_type="lead",
    )


def test_the_first_field_with_a_fault_names_the_code_whatever_the_order_on_the_wire() -> None:
    backwards = dict(reversed(list(event(event_time="x", action_source="y").items())))
    rejection = judge_event(backwards, policy=POLICY)
    assert isinstance(rejection, Rejection)
    assert rejection.code is Code.INVALID_EVENT_TIME


def test_a_message_quotes_nothing_of_the_record() -> None:
    rejection = judge(event_type="s3cret", user_match="s3cret", custom_data={"currency": "s3cret"})
    assert "s3cret" not in str(rejection)


@pytest.mark.parametrize(
    ("changes", "text", "warnings"),
    [
        (
            {"value": 5, "currency": "USD", "content_ids": ["a"]},
            '{"value":5,"currency":"USD","content_ids":["a"]}',
            ("misplaced_field",),
        ),
        (
            {"custom_data": {"value": 7, "order_id": "o"}, "value": 5, "currency": "USD"},
            '{"value":7,"order_id":"o","currency":"USD"}',
            ("misplaced_field",),
        ),
        (
            {"custom_data": {"value": None, "currency": "USD"}, "value": 5},
            '{"value":5,"currency":"USD"}',
            ("misplaced_field",),
        ),
        ({"custom_data": {"value": 7, "currency": "USD"}, "value": 5}, None, ()),
        ({"custom_data": {}}, "{}", ()),
    ],
)
def test_misplaced_fields_move_into_custom_data_that_lacks_them(
    changes: dict[str, Any], text: str | None, warnings: tuple[str, ...]
) -> None:
    record = accept(**changes)
    assert (record.custom_data, repaired(record)) == (
        text or '{"value":7,"currency":"USD"}',
        (warnings, ()),
    )


def test_a_misplaced_field_is_judged_where_it_belongs() -> None:
    assert reject(value="5") == ("INVALID_CUSTOM_DATA", "custom_data.value")
    assert reject(value=5, custom_data="x") == ("INVALID_CUSTOM_DATA", "custom_data")


def test_the_time_of_an_event_is_kept_to_the_microsecond() -> None:
    assert accept(event_time="2026-05-01T10:00:00.0000019+02:00").event_time == MICROSECONDS + 1
    assert accept(event_time=TIME).event_time == MICROSECONDS
