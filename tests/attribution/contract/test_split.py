"""The parts of a document as texts: exactly those that reading it whole finds, or none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.document import JsonObject, Unreadable, read_document
from attribution.contract.split import join_fields, read_event, split_events, split_fields

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT | st.sampled_from(["events", "[1]", "{"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(
    before=st.dictionaries(TEXT, JSON, max_size=2),
    events=st.lists(JSON, max_size=4),
    after=st.dictionaries(TEXT, JSON, max_size=2),
    spaces=st.sampled_from([None, 1]),
    is_ascii=st.booleans(),
)
def test_parts_are_those_of_the_whole(
    before: dict[str, Any],
    events: list[Any],
    after: dict[str, Any],
    spaces: int | None,
    is_ascii: bool,  # noqa: FBT001  Hypothesis passes by name
) -> None:
    fields = {**before, "events": events, **after}
    document = json.dumps(fields, indent=spaces, ensure_ascii=is_ascii).encode()
    split = split_events(document)
    if split is None:
        return
    whole = read_document(document)
    assert isinstance(whole, JsonObject)
    assert [read_event(text) for text in split.events] == whole["events"]
    assert read_document(split.with_events(split.events)) == whole
    assert read_document(split.frame()) == whole | {"events": [None]}


@pytest.mark.parametrize(
    "document",
    [
        b'{"events":[1],"events":[2]}',
        b'{"\\u0065vents":[1],"events":[2]}',
        b'{"events":[{"name":"events"}]}',
        b'{"events":{}}',
        b"{",
    ],
)
def test_where_it_is_not_sure_it_splits_nothing(document: bytes) -> None:
    assert split_events(document) is None


def test_the_usual_document_is_split() -> None:
    split = split_events(b'{"a":1,"events":[{"b":2}, 3],"c":4}')
    assert split is not None
    assert split.events == [b'{"b":2}', b"3"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b'{"a":1.50,"b":{"c": [1]},"d":null}', {"a": b"1.50", "b": b'{"c": [1]}', "d": b"null"}),
        (b'{"a":"\\ud83d","b":1.50}', {"a": b'"\\ud83d"', "b": b"1.50"}),
        (b"{}", {}),
    ],
)
def test_an_object_is_its_fields(text: bytes, fields: dict[str, bytes]) -> None:
    assert split_fields(text) == fields
    assert join_fields(fields) == text


def test_what_is_no_object_has_no_fields() -> None:
    for text in (b"[]", b"{", b'{"a":1}}', b"\xff"):
        assert isinstance(split_fields(text), Unreadable)
