"""Entries of the event-source registry, each for itself."""

from typing import Any

import pytest

from attribution.contract.event_source import EventSource, Issue, judge_event_source
from tests.attribution.contract.builders import ABSENT, document


def judge(**changes: object) -> EventSource | tuple[Issue, ...]:
    return judge_event_source(document({"advertiser_id": "a", "event_source_id": "s"} | changes))


def test_a_full_entry_is_read() -> None:
    source = judge(
        name="Web shop",
        event_types=["purchase", "deposit"],
        allowed_domains=["Shop.Example.org.", "localhost"],
        action_source="website",
        surface={"category": "website"},
        value_currencies=["EUR", "USD"],
        integration_platform="crm",
        mapping={"eventIdField": "id", "user_match_fields": ["a", "b"], "unheard_of": 1},
        test_event_code="T1",
        unheard_of=[],
    )
    assert isinstance(source, EventSource)
    assert source.model_dump(exclude_none=True) == {
        "advertiser_id": "a",
        "event_source_id": "s",
        "name": "Web shop",
        "event_types": ["purchase", "deposit"],
        "allowed_domains": ["shop.example.org", "localhost"],
        "action_source": "website",
        "surface": {"category": "website"},
        "value_currencies": ["EUR", "USD"],
        "integration_platform": "crm",
        "mapping": {"event_id_field": "id", "user_match_fields": ["a", "b"]},
        "test_event_code": "T1",
    }


def test_null_is_absent() -> None:
    optional = [name for name, field in EventSource.model_fields.items() if not field.is_required()]
    assert judge(**dict.fromkeys(optional)) == judge()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"advertiser_id": ABSENT}, "advertiser_id"),
        ({"event_source_id": ""}, "event_source_id"),
        ({"event_source_id": "s" * 257}, "event_source_id"),
        ({"name": 1}, "name"),
        ({"event_types": []}, "event_types"),
        ({"event_types": "purchase"}, "event_types"),
        ({"event_types": ["purchase", "impulse"]}, "event_types[1]"),
        ({"allowed_domains": "shop.example.org"}, "allowed_domains"),
        ({"allowed_domains": [""]}, "allowed_domains[0]"),
        ({"allowed_domains": ["https://shop.example.org"]}, "allowed_domains[0]"),
        ({"allowed_domains": ["shop.example.org/basket"]}, "allowed_domains[0]"),
        ({"allowed_domains": ["shop.example.org:8443"]}, "allowed_domains[0]"),
        ({"allowed_domains": ["*.example.org"]}, "allowed_domains[0]"),
        ({"allowed_domains": ["shop..example"]}, "allowed_domains[0]"),
        ({"action_source": "web"}, "action_source"),
        ({"surface": {}}, "surface.category"),
        ({"value_currencies": []}, "value_currencies"),
        ({"value_currencies": ["eur"]}, "value_currencies[0]"),
        ({"value_currencies": ["EUR", "EUR"]}, "value_currencies"),
        ({"integration_platform": ""}, "integration_platform"),
        ({"mapping": []}, "mapping"),
        ({"test_event_code": "t" * 257}, "test_event_code"),
    ],
)
def test_a_bad_field_is_an_issue(changes: dict[str, Any], field: str) -> None:
    issues = judge(**changes)
    assert isinstance(issues, tuple)
    assert [issue.field for issue in issues] == [field]
    assert all(issue.message for issue in issues)


def test_every_fault_is_told_at_once() -> None:
    issues = judge(name="", value_currencies=["EUR", "EUR"])
    assert issues == (
        Issue("name", "String should have at least 1 character"),
        Issue("value_currencies", "each entry is expected once"),
    )


def test_an_entry_is_an_object() -> None:
    assert judge_event_source([]) == (Issue(None, "an event source is expected to be an object"),)
