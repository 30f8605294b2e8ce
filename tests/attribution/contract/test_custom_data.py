"""What an event says about itself: money, order, contents, progress."""

import re
from typing import Any

import pytest

from attribution.contract.document import JsonObject, read_document
from attribution.contract.event import judge_event
from attribution.contract.verdicts import EventRecord, Rejection
from tests.attribution.contract.builders import EMAIL, LENIENT, POLICY, accept, reject, repaired

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"value": "1", "currency": "USD"}, "INVALID_CUSTOM_DATA", "value"),
    ({"value": True, "currency": "USD"}, "INVALID_CUSTOM_DATA", "value"),
    ({"value": 10**12, "currency": "USD"}, "INVALID_CUSTOM_DATA", "value"),
    ({"value": -(10**12), "currency": "USD"}, "INVALID_CUSTOM_DATA", "value"),
    ({"value": 1}, "CURRENCY_REQUIRED", "currency"),
    ({"currency": "US"}, "INVALID_CURRENCY", "currency"),
    ({"currency": "USD\n"}, "INVALID_CURRENCY", "currency"),
    ({"currency": 840}, "INVALID_CURRENCY", "currency"),
    ({"order_id": 4}, "INVALID_CUSTOM_DATA", "order_id"),
    ({"content_ids": {"a": 1}}, "INVALID_CUSTOM_DATA", "content_ids"),
    ({"content_ids": ["a", 2]}, "INVALID_CUSTOM_DATA", "content_ids[1]"),
    ({"content_ids": [None]}, "INVALID_CUSTOM_DATA", "content_ids[0]"),
    ({"content_ids": ["c" * 257]}, "INVALID_CUSTOM_DATA", "content_ids[0]"),
    ({"content_type": 1}, "INVALID_CUSTOM_DATA", "content_type"),
    ({"content_name": []}, "INVALID_CUSTOM_DATA", "content_name"),
    ({"content_category": False}, "INVALID_CUSTOM_DATA", "content_category"),
    ({"search_string": {}}, "INVALID_CUSTOM_DATA", "search_string"),
    ({"num_items": -1}, "INVALID_CUSTOM_DATA", "num_items"),
    ({"num_items": 0.5}, "INVALID_CUSTOM_DATA", "num_items"),
    ({"num_items": "3"}, "INVALID_CUSTOM_DATA", "num_items"),
    ({"num_items": True}, "INVALID_CUSTOM_DATA", "num_items"),
    ({"num_items": 2**63}, "INVALID_CUSTOM_DATA", "num_items"),
    ({"num_items": 10**700}, "INVALID_CUSTOM_DATA", "num_items"),
    ({"contents": {}}, "INVALID_CUSTOM_DATA", "contents"),
    ({"contents": [None]}, "INVALID_CUSTOM_DATA", "contents[0]"),
    ({"contents": [{"id": 4}]}, "INVALID_CUSTOM_DATA", "contents[0].id"),
    ({"contents": [{"id": "a", "quantity": 0}]}, "INVALID_CUSTOM_DATA", "contents[0].quantity"),
    ({"contents": [{"id": "a", "quantity": 1.5}]}, "INVALID_CUSTOM_DATA", "contents[0].quantity"),
    ({"contents": [{"id": "a", "price": "2"}]}, "INVALID_CUSTOM_DATA", "contents[0].price"),
    ({"contents": [{"id": "a", "brand": 2}]}, "INVALID_CUSTOM_DATA", "contents[0].brand"),
]


@pytest.mark.parametrize(("data", "code", "field"), REFUSED)
def test_a_bad_field_refuses_the_event(data: dict[str, Any], code: str, field: str) -> None:
    assert reject(custom_data=data) == (code, f"custom_data.{field}")


REPAIRED: list[tuple[dict[str, Any], str, tuple[str, ...], str]] = [
    ({"order_id": "o" * 257}, "order_id", ("field_too_long",), "{}"),
    ({"content_type": "t" * 129}, "content_type", ("field_too_long",), "{}"),
    ({"content_name": "n" * 1025}, "content_name", ("field_too_long",), "{}"),
    ({"content_category": "n" * 1025}, "content_category", ("field_too_long",), "{}"),
    ({"search_string": "n" * 1025}, "search_string", ("field_too_long",), "{}"),
    (
        {"contents": [{"id": "a", "brand": "b" * 257}]},
        "contents[0].brand",
        ("field_too_long",),
        '{"contents":[{"id":"a"}]}',
    ),
    (
        {"contents": [{"id": "a"}, {"id": "b" * 257}]},
        "contents[1].id",
        ("field_too_long", "content_without_id"),
        '{"contents":[{"id":"a"},{}]}',
    ),
    (
        {"contents": [{"id": "a", "price": -0.5, "x": 1}]},
        "contents[0].price",
        ("negative_price",),
        '{"contents":[{"id":"a","x":1}]}',
    ),
    (
        {"value": -3, "currency": "USD"},
        "value",
        ("negative_value_dropped",),
        '{"currency":"USD"}',
    ),
    ({"value": -3}, "value", ("negative_value_dropped",), "{}"),
]


@pytest.mark.parametrize(("data", "field", "warnings", "text"), REPAIRED)
def test_a_field_that_may_go_is_dropped_from_the_text_too(
    data: dict[str, Any], field: str, warnings: tuple[str, ...], text: str
) -> None:
    record = accept(custom_data=data)
    assert repaired(record) == (warnings, (f"custom_data.{field}",))
    assert (record.custom_data, record.value, record.order_id) == (text, None, None)


@pytest.mark.parametrize(
    "data",
    [
        {"order_id": "o" * 256, "content_type": "t" * 128, "search_string": "n" * 1024},
        {"content_ids": [], "contents": []},
        {"content_ids": ["c" * 256]},
        {"num_items": 2**63 - 1},
        {"num_items": 0},
        {"contents": [{"id": "a", "quantity": 1, "price": 0, "brand": "b" * 256}]},
        {"progress_percent": 400, "order_total": "free text"},
        {"ext": None, "value": None},
    ],
)
def test_what_is_within_bounds_is_kept(data: dict[str, Any]) -> None:
    assert repaired(accept(custom_data=data)) == ((), ())


def test_an_item_without_id_is_kept_with_a_warning() -> None:
    record = accept(custom_data={"contents": [{"quantity": 1}, {"id": None}]})
    assert repaired(record) == (("content_without_id",), ())


def judge_text(event_type: str, custom_data: str) -> EventRecord | Rejection:
    """Judge an event whose custom_data is spelt out, for numbers no Python value stands for."""
    line = (
        f'{{"event_id":"e","event_type":"{event_type}","event_time":"2026-05-01T08:00:00Z",'
        f'"user_match":{{"hashed_email":"{EMAIL}"}},"custom_data":{custom_data}}}'
    )
    read = read_document(line.encode())
    assert isinstance(read, JsonObject)
    return judge_event(read, policy=POLICY)


def value_of(token: str, event_type: str = "purchase") -> tuple[str, tuple[str, ...]] | str:
    """Return the value a number token becomes and the warnings, or the code it is refused with."""
    record = judge_text(event_type, f'{{"value":{token},"currency":"USD"}}')
    if isinstance(record, EventRecord):
        return str(record.value), repaired(record)[0]
    return record.code.value


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("0", ("0.000000", ())),
        ("-0.0", ("0.000000", ())),
        ("89.99", ("89.990000", ())),
        ("1e3", ("1000.000000", ())),
        ("0.1234565", ("0.123457", ("value_rounded",))),
        ("0.1234564999", ("0.123456", ("value_rounded",))),
        ("0.30000000000000004", ("0.300000", ("value_rounded",))),
        ("0.300000000000000001", ("0.300000", ())),
        ("999999999999.999999", ("999999999999.999999", ())),
        ("999999999999.9999995", "INVALID_CUSTOM_DATA"),
        ("999999999999.99999949", ("999999999999.999999", ("value_rounded",))),
        ("1000000000.0000000001", ("1000000000.000000", ("value_rounded",))),
        ("1e-999999999999999999999", ("0.000000", ())),
        ("0e999999999999999999999", ("0.000000", ())),
        ("1e999", "INVALID_CUSTOM_DATA"),
        ("1e999999999999999999999", "INVALID_CUSTOM_DATA"),
        ("9" * 5000, "INVALID_CUSTOM_DATA"),
        ("0." + "0" * 5000 + "1", ("0.000000", ())),
    ],
)
def test_a_value_is_six_decimals_rounded_half_up(token: str, expected: object) -> None:
    assert value_of(token) == expected


@pytest.mark.parametrize(
    ("token", "count"),
    [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("0e999999999999", 0),
        ("3.000", 3),
        ("1.2e1", 12),
        ("9223372036854775807.0", 2**63 - 1),
        ("9223372036854775808.0", None),
        ("1e-1", None),
        ("1e-999999999", None),
        ("1e999999999", None),
        ("1e99999999999999999999", None),
        ("-1e99999999999999999999", None),
        ("9" * 5000, None),
    ],
)
def test_a_count_is_any_number_that_is_an_integer(token: str, count: int | None) -> None:
    record = judge_text("purchase", f'{{"num_items":{token}}}')
    assert (record.num_items if isinstance(record, EventRecord) else None) == count
    priced = f'{{"contents":[{{"id":"a","quantity":1e9999,"price":{token}}}]}}'
    assert isinstance(judge_text("purchase", priced), Rejection)


def test_a_refund_is_a_positive_sum() -> None:
    assert value_of("-49.5", "refund") == ("49.500000", ("negative_value_normalised",))
    assert value_of("49.5", "refund") == ("49.500000", ())


def test_a_value_without_currency_may_be_let_in_without_being_money() -> None:
    record = accept(LENIENT, custom_data={"value": 5})
    assert (record.value, record.custom_data) == (None, '{"value":5}')
    assert repaired(record) == (("missing_currency",), ())


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (None, "custom_data"),
        ({"content_ids": ["e"]}, "custom_data"),
        ({"progress_percent": 101}, "custom_data.progress_percent"),
        ({"progress_percent": -1}, "custom_data.progress_percent"),
        ({"progress_percent": "50"}, "custom_data.progress_percent"),
        ({"progress_percent": 50, "progress_seconds": -1}, "custom_data.progress_seconds"),
    ],
)
def test_a_milestone_says_how_far(data: object, field: str) -> None:
    assert reject(event_type="watch_milestone", custom_data=data) == ("INVALID_CUSTOM_DATA", field)


@pytest.mark.parametrize("data", [{"progress_percent": 100}, {"progress_seconds": 0.5}])
def test_either_measure_of_progress_is_enough(data: dict[str, Any]) -> None:
    assert repaired(accept(event_type="watch_milestone", custom_data=data)) == ((), ())


BEYOND = "1e99999999999999999999"


@pytest.mark.parametrize("number", [BEYOND, f"-{BEYOND}", "1e400", "-1e400", "1e12", "9" * 5000])
@pytest.mark.parametrize("event_type", ["lead", "refund"])
def test_a_number_beyond_the_column_is_refused_as_what_it_is(event_type: str, number: str) -> None:
    rejection = judge_text(event_type, f'{{"value":{number},"currency":"EUR"}}')
    assert isinstance(rejection, Rejection)
    assert rejection.message == "custom_data.value must fit DECIMAL(18,6), that is, be below 10^12"


FIELDS = [
    *("value", "currency", "order_id", "content_ids", "num_items", "progress_percent"),
    *("progress_seconds", "contents"),
]
INNER = ["id", "quantity", "price", "brand"]


@pytest.mark.parametrize("number", [BEYOND, f"-{BEYOND}", "1e400", "-1", "0.5", "101", "1e-400"])
@pytest.mark.parametrize(
    "shape",
    [f'{{"{field}":@}}' for field in FIELDS]
    + [f'{{"contents":[{{"id":"a","{field}":@}}]}}' for field in INNER],
)
def test_no_number_is_refused_for_not_being_a_number(shape: str, number: str) -> None:
    verdict = judge_text("lead", shape.replace("@", number))
    if isinstance(verdict, Rejection):
        _, expected, got = re.split(" must (?:be|fit) |; got ", verdict.message + "; got ")[:3]
        assert (expected.startswith("a number"), got) != (True, "a number")
