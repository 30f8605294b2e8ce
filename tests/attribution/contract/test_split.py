"""The events of a document as texts: exactly those that reading it whole finds, or none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.document import JsonObject, read_document
from attribution.contract.split import read_event, split_events

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
