"""A column of identifiers tells placeholders as the contract does, unless JSON escapes them."""

import json
from hashlib import sha256

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.placeholders import is_placeholder
from connectors.decoding.placeholder_columns import placeholders

HASHES = [sha256(word).hexdigest() for word in (b"", b"null", b"NULL", b"N/a", b"0", b"a")]
pieces = st.sampled_from(
    [
        *("null", "NONE", "n/a", "nan", "0", "00", "-", ".", "1", "127.0.0.1", "::", "x", "\u212a"),
        *("{", "{{", "${", "}", "}}", "%%", "__", "_", "[", "]", "<", ">", " ", "\n", "\u3000"),
        *("\x85", "\x00", "\u200b", *HASHES, HASHES[1].upper(), HASHES[1][:-1]),
    ]
)


def column(values: list[str | None]) -> pa.Array:
    """Write the values as JSON."""
    texts = [None if value is None else json.dumps(value, ensure_ascii=False) for value in values]
    return pa.array(texts, pa.string())


@given(st.lists(st.none() | st.lists(pieces, max_size=5).map("".join), max_size=8))
def test_a_column_says_what_one_value_says(values: list[str | None]) -> None:
    found = placeholders(column(["first", *values]).slice(1))
    assert [
        value is None
        or "\\" in json.dumps(value, ensure_ascii=False)
        or is_found == is_placeholder(value)
        for value, is_found in zip(values, found.tolist(), strict=True)
    ] == [True] * len(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([None, ""], [False, True]),
        (["null", "nul", " NULL", None, "e3b0c44298fc1c14"], [True, False, True, False, False]),
        (HASHES, [True, True, True, True, True, False]),
        (["f" * 64, "\u00a0", "{ }", "Mozilla/5.0"], [False, True, True, False]),
    ],
)
def test_what_is_a_placeholder(values: list[str | None], expected: list[bool]) -> None:
    assert placeholders(column(values)).tolist() == expected


def test_what_is_no_string_is_no_placeholder() -> None:
    assert not placeholders(pa.array(["0", "null", "{}", "[]", "-", '"'])).any()
