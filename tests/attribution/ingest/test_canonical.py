"""The canonical form of a request: RFC 8785, and what the hash leaves out."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.document import JsonObject, read_document
from attribution.ingest.canonical import canonical, quick_hash, request_hash


def read(text: str) -> JsonObject:
    document = read_document(text.encode())
    assert isinstance(document, JsonObject)
    return document


@pytest.mark.parametrize(
    ("token", "written"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("1e2", "100"),
        ("333333333.33333329", "333333333.3333333"),
        ("1E30", "1e+30"),
        ("1e21", "1e+21"),
        ("123456789012345678901", "123456789012345678901"),
        ("123456789012345678901.0", "123456789012345680000"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("-1.25e-9", "-1.25e-9"),
        ("5e-324", "5e-324"),
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.0", "9007199254740992"),
        ("1e999", "1e999"),
    ],
)
def test_numbers_are_written_as_doubles(token: str, written: str) -> None:
    assert canonical(read(f'{{"n":{token}}}')) == f'{{"n":{written}}}'


def test_keys_are_ordered_by_their_utf_16_code_units() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    document = read(json.dumps({key: index for index, key in enumerate(keys)}))
    assert canonical(document) == (
        '{"\\r":1,"1":3,"\u0080":5,"\u00f6":6,"\u20ac":0,"\U0001f600":4,"\ufb33":2}'
    )


def test_text_is_escaped_only_where_it_must_be() -> None:
    document = read('{"a":["\\u000f\\u000a\\/\\"\\\\\\u00e9",true,false,null,{},[]]}')
    assert canonical(document) == '{"a":["\\u000f\\n/\\"\\\\\u00e9",true,false,null,{},[]]}'


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return request_hash(read(json.dumps(first))) == request_hash(read(json.dumps(second)))


def test_what_may_change_between_copies_is_not_hashed() -> None:
    push = {"url": "https://b.example", "authentication": {"schemes": ["x"], "credentials": "one"}}
    first = {
        "idempotency_key": "k" * 16,
        "context": {"trace": 1},
        "governance_context": "g",
        "push_notification_config": push,
        "events": [1.0, "a"],
    }
    other = {**push, "authentication": {"schemes": ["x"], "credentials": "two"}}
    second = {"events": [1, "a"], "push_notification_config": other}
    assert same(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"test_event_code": None}, {}),
        ({"events": [1, 2]}, {"events": [2, 1]}),
        ({"ext": {"a": 1}}, {"ext": {"a": 2}}),
        ({"events": [{"context": 1}]}, {"events": [{}]}),
        ({"push_notification_config": {"authentication": 1}}, {"push_notification_config": {}}),
    ],
)
def test_all_else_tells_requests_apart(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert not same(first, second)


def test_of_equal_keys_the_first_counts_and_half_a_pair_is_kept() -> None:
    assert request_hash(read('{"a":1,"a":2}')) == request_hash(read('{"a":1}'))
    assert request_hash(read('{"a":"\\ud800"}')) != request_hash(read('{"a":"\\ud801"}'))


NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.sampled_from([Decimal("1.50"), Decimal("0.0000001"), Decimal("1E+400"), Decimal("-0.0")]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


def spelled(value: object) -> str:
    match value:
        case dict():
            items = (f"{json.dumps(key)}: {spelled(item)}" for key, item in value.items())
            return "{" + ",".join(items) + "}"
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)


@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=5))
def test_the_quick_hash_is_that_of_the_canonical_form(fields: dict[str, Any]) -> None:
    text = spelled({**fields, "idempotency_key": "k" * 16, "context": 1})
    found = quick_hash(text.encode())
    assert found is None or found == ("k" * 16, request_hash(read(text)))


def test_most_bodies_are_hashed_quickly() -> None:
    for text in (
        '{"a":-0,"b":-0.0,"c":1E5}',
        '{"a":1.50,"b":{"c":[null,"\u00e9"]}}',
        '{\n  "a": "x: y",\n  "b": 1e3\n}',
    ):
        assert quick_hash(text.encode()) == (None, request_hash(read(text)))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"events":[{"a":1,"a":2}]}',
        '{"a":"\U0001f600"}',
        '{"a":"\\ud800"}',
        '{"a" :1}',
        '{"a":"\\u0022:"}',
        "[]",
        "{",
    ],
)
def test_what_needs_to_be_read_is_not_hashed_quickly(text: str) -> None:
    assert quick_hash(text.encode()) is None
