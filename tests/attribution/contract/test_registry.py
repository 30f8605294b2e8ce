"""The registry: which version of a source is in force, and what it lets through."""

from dataclasses import replace
from typing import Any

import pytest

from attribution.contract.verdicts import EventRecord, Rejection
from attribution.registry import (
    BEGINNING_OF_TIME,
    END_OF_TIME,
    Registry,
    RegistryError,
    SourceVersion,
    judge_source,
)
from attribution.vocabulary import EVENT_TYPES, Code, Warn
from tests.attribution.contract.builders import accept

SHOP = SourceVersion(advertiser_id="a", event_source_id="shop", name="shop")


def registry(*entries: dict[str, object], allow_unregistered: bool = False) -> Registry:
    return Registry.from_documents(list(entries), allow_unregistered=allow_unregistered)


def entry(
    advertiser_id: str = "a", event_source_id: str = "shop", **more: object
) -> dict[str, object]:
    return {"advertiser_id": advertiser_id, "event_source_id": event_source_id, **more}


def test_an_entry_of_a_file_is_valid_for_all_time() -> None:
    built = registry(
        entry(
            name="Web shop",
            event_types=["lead", "lead"],
            allowed_domains=["Shop.example"],
            value_currencies=["EUR"],
            test_event_code="T1",
        )
    )
    expected = SourceVersion(
        advertiser_id="a",
        event_source_id="shop",
        name="Web shop",
        event_types=frozenset({"lead"}),
        allowed_domains=("shop.example",),
        value_currencies=frozenset({"EUR"}),
        test_event_code="T1",
        valid_from=BEGINNING_OF_TIME,
        valid_to=END_OF_TIME,
    )
    assert built.lookup("a", "shop", at=0) == expected
    assert built.lookup("a", "shop", at=None) == expected
    assert built.lookup("a", "shop", at=BEGINNING_OF_TIME) == expected


def test_a_bare_entry_restricts_nothing() -> None:
    assert registry(entry(test_event_code="", allowed_domains=[])).lookup("a", "shop", at=0) == SHOP


def test_sources_belong_to_one_advertiser() -> None:
    built = registry(entry(), entry("b", "app"))
    assert built.lookup("b", "shop", at=0) is None
    assert built.lookup("b", "app", at=0) is not None


def test_an_unregistered_source_may_be_let_in_unrestricted() -> None:
    built = registry(entry(name="Web shop"), allow_unregistered=True)
    known = built.lookup("a", "shop", at=0)
    assert known is not None
    assert known.name == "Web shop"
    assert built.lookup("b", "shop", at=0) == replace(SHOP, advertiser_id="b")


def test_a_version_holds_from_its_start_until_before_its_end() -> None:
    first = replace(SHOP, name="first", valid_from=10, valid_to=20)
    second = replace(SHOP, name="second", valid_from=30)
    built = Registry(versions={("a", "shop"): (first, second)})
    found = {at: built.lookup("a", "shop", at=at) for at in (9, 10, 19, 20, 29, 30, None)}
    assert found == {9: None, 10: first, 19: first, 20: None, 29: None, 30: second, None: second}


def test_a_bad_file_is_refused_with_every_fault_and_its_place() -> None:
    with pytest.raises(RegistryError) as caught:
        registry(entry(), entry(event_types=["impulse"], name=""), entry(), {"advertiser_id": "a"})
    assert str(caught.value) == (
        "event_sources[1].name: String should have at least 1 character; "
        f"event_sources[1].event_types[0]: expected one of {', '.join(EVENT_TYPES)}; "
        "event_sources[2].event_source_id: each source is expected once per advertiser; "
        "event_sources[3].event_source_id: Field required"
    )


@pytest.mark.parametrize("documents", [None, {}, {"event_sources": []}, "x"])
def test_a_file_is_an_array_of_entries(documents: object) -> None:
    with pytest.raises(
        RegistryError, match=r"^event_sources: an array of event sources is expected"
    ):
        Registry.from_documents(documents, allow_unregistered=True)


def judge(version: SourceVersion, **changes: object) -> EventRecord | Rejection:
    return judge_source(version, accept(**changes))


@pytest.mark.parametrize(
    ("restriction", "changes"),
    [
        ({}, {"event_source_url": "https://anywhere.example/"}),
        ({"event_types": frozenset({"lead"})}, {}),
        ({"allowed_domains": ("b.example",)}, {"event_source_url": "https://b.example/x"}),
        ({"allowed_domains": ("b.example",)}, {"event_source_url": "https://A.B.example/x"}),
        ({"allowed_domains": ("b.example",)}, {"event_source_url": "urn:isbn:1"}),
        ({"allowed_domains": ("c", "b.example")}, {"event_source_url": "https://b.example."}),
        ({"value_currencies": frozenset({"EUR"})}, {"custom_data": {"order_id": "o"}}),
        ({"value_currencies": frozenset({"EUR"})}, {"custom_data": {"currency": "EUR"}}),
    ],
)
def test_what_a_source_may_send_passes_unchanged(
    restriction: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert judge(replace(SHOP, **restriction), **changes) == accept(**changes)


@pytest.mark.parametrize(
    ("restriction", "changes", "code", "message", "field"),
    [
        (
            {"event_types": frozenset({"purchase"})},
            {},
            Code.INVALID_EVENT_TYPE,
            "event_type is not one this source may send",
            "event_type",
        ),
        (
            {"allowed_domains": ("b.example",)},
            {"event_source_url": "https://notb.example/"},
            Code.DOMAIN_NOT_ALLOWED,
            "event_source_url is at a host outside the source's allowed_domains",
            "event_source_url",
        ),
        (
            {"allowed_domains": ("b.example",)},
            {"event_source_url": "https://b.example.evil.example/"},
            Code.DOMAIN_NOT_ALLOWED,
            "event_source_url is at a host outside the source's allowed_domains",
            "event_source_url",
        ),
        (
            {"value_currencies": frozenset({"EUR"})},
            {"custom_data": {"value": 1, "currency": "USD"}},
            Code.CURRENCY_NOT_ALLOWED,
            "custom_data.currency is not one of the source's value_currencies",
            "custom_data.currency",
        ),
    ],
)
def test_what_it_may_not_send_is_refused(
    restriction: dict[str, Any], changes: dict[str, Any], code: Code, message: str, field: str
) -> None:
    assert judge(replace(SHOP, **restriction), **changes) == Rejection(
        code=code, message=message, field=field, record_id="e-1", event_type="lead"
    )


def test_a_source_with_domains_expects_an_address_and_says_so_once() -> None:
    version = replace(SHOP, allowed_domains=("b.example",))
    for changes in ({}, {"action_source": "website"}):
        record = judge(version, **changes)
        assert isinstance(record, EventRecord)
        assert record.warnings == (Warn.MISSING_EVENT_SOURCE_URL,)
