"""One line as strict JSON: what is refused, what is kept, and how it is written out again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.document import (
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    JsonObject,
    Unreadable,
    dump_json,
    read_array,
    read_document,
    write_document,
)

UNREADABLE: list[bytes] = [
    b"",
    b"  \r",
    b"{",
    b'{"a":1,}',
    b'{"a":[1,]}',
    b"{'a':1}",
    b'{"a":NaN}',
    b'{"a":nan}',
    b'{"a":Infinity}',
    b'{"a":[-Infinity]}',
    b'{"a":-infinity}',
    b'{"a":01}',
    b'{"a":1.}',
    b'{"a":.5}',
    b'{"a":+1}',
    b'{"a":1e}',
    b'{"a":"\t"}',
    b'{"a":"\x00"}',
    b'{"a":"\\x41"}',
    b'{"a":"\\u12"}',
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xc0\xaf"}',
    b'\xef\xbb\xbf{"a":1}',
    b'{"a":1} {"a":2}',
    b'{"a":1}//',
    b"\x00{}",
    '{"a":1}'.encode("utf-16"),
    b"[]",
    b'"a"',
    b"1",
    b"null",
    b'{"a":' * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("line", UNREADABLE)
def test_what_is_not_strict_json_is_unreadable(line: bytes) -> None:
    assert isinstance(read_document(line), Unreadable)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"secret":', "not valid JSON at character 10"),
        (b'{"secret":"\xff"}', "not valid UTF-8 at byte 11"),
        (b'{"secret":NaN}', "not valid JSON: NaN and Infinity are not numbers"),
        (b'["secret"]', "a document must be a JSON object"),
    ],
)
def test_the_message_says_where_and_quotes_nothing(line: bytes, message: str) -> None:
    assert read_document(line) == Unreadable(message)


def read(line: bytes) -> JsonObject:
    document = read_document(line)
    assert isinstance(document, JsonObject), document
    return document


@pytest.mark.parametrize(
    ("line", "has_halves"),
    [
        (b'{"a":"\\ud83d\\ude00"}', False),
        (b'{"a":"\\\\ud800"}', False),
        (b'{"a":"\\ud800"}', True),
        (b'{"a":[[{"b":"\\uDFFF"}]]}', True),
        (b'{"\\uD800":1}', True),
        (b'{"a":1,"a":"\\udc00\\ud800"}', True),
    ],
)
def test_half_of_a_surrogate_pair_is_noted_wherever_it_is(line: bytes, has_halves: bool) -> None:  # noqa: FBT001
    document = read(line)
    assert document.has_halves is has_halves
    again = read(write_document(document))
    assert (again.pairs, again.has_halves) == (document.pairs, has_halves)


def test_of_a_repeated_key_the_first_value_counts_at_every_level() -> None:
    line = b'{"a":{"x":1,"y":2,"x":3},"b":[{"z":null,"z":4}],"a":5}'
    document = read(line)
    assert document == {"a": {"x": 1, "y": 2}, "b": [{"z": None}]}
    assert document.pairs == [("a", {"x": 1, "y": 2}), ("b", [{"z": None}]), ("a", 5)]
    assert dump_json(document).encode() == line


@pytest.mark.parametrize(
    "token",
    ["0", "-0", "-0.0", "1.10", "1E+05", "1e-7", "1e999", "1e99999999999999999999", "7" * 5000],
)
def test_a_number_is_written_as_it_was_read(token: str) -> None:
    line = f'{{"n":[{token}]}}'
    assert dump_json(read(line.encode())) == line


def test_integers_are_ints_and_the_rest_is_exact() -> None:
    number = read(b'{"n":0.1000000000000000055511151231257827021181583404541015625}')["n"]
    assert str(number) == "0.1000000000000000055511151231257827021181583404541015625"
    assert type(read(b'{"n":12345678901234567890}')["n"]) is int


def test_escapes_and_whitespace_are_json_s_own() -> None:
    document = read(b' {"\\u00e9" :\t"\\ud83d\\ude00\\\\ud800\\n" } \r')
    assert document == {"é": "😀\\ud800\n"}
    assert dump_json(document) == '{"é":"😀\\\\ud800\\n"}'


def nested(depth: int) -> bytes:
    arrays = depth - 1
    return b'{"a":' + b"[" * arrays + b"]" * arrays + b"}"


def test_depth_is_limited_at_a_fixed_place() -> None:
    assert isinstance(read_document(nested(MAX_DEPTH)), JsonObject)
    assert read_document(nested(MAX_DEPTH + 1)) == Unreadable(
        "objects and arrays nest at most 200 deep"
    )
    flat = b'{"a":[' + b",".join([b"{}"] * 1_000) + b"]}"
    assert isinstance(read_document(flat), JsonObject)


def test_an_array_is_read_element_by_element() -> None:
    elements = read_array(b' [ {"a":"\\ud800"}, 1, ' + nested(MAX_DEPTH + 1) + b',{"b":2.50} ] ')
    assert isinstance(elements, list)
    assert [isinstance(each, JsonObject) for each in elements] == [True, False, False, True]
    assert [each.has_halves for each in elements if isinstance(each, JsonObject)] == [True, False]
    assert elements[2] == read_document(nested(MAX_DEPTH + 1))
    for broken in (b"[", b"{}", b"[NaN]", b"[{},]", b"[" * 9_999, b'["\xff"]'):
        assert isinstance(read_array(broken), Unreadable)


def test_a_document_too_large_is_not_looked_into() -> None:
    assert isinstance(read_document(b" " * (MAX_DOCUMENT_BYTES + 1)), Unreadable)
    padded = b"{}" + b" " * (MAX_DOCUMENT_BYTES - 2)
    assert isinstance(read_document(padded), JsonObject)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.booleans())
def test_what_json_writes_is_read_and_written_alike(document: dict[str, Any], escape: bool) -> None:  # noqa: FBT001
    line = json.dumps(document, ensure_ascii=escape).encode()
    assert json.loads(dump_json(read(line))) == document


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(line: bytes) -> None:
    assert isinstance(read_document(line), JsonObject | Unreadable)
