"""AdCP's tool for deliveries: the answer of the route, and what only the tool takes."""

from typing import Any

import pytest

from tests.connectors.api.conftest import Served
from tests.connectors.api.reads.conftest import headers
from tests.connectors.api.reads.test_delivery import BOTH_DAYS, RELEASES, answer_of, valid_in
from tests.connectors.api.test_tools import Tools


@pytest.fixture
def tools(delivered: Served) -> Tools:
    return Tools(delivered)


def call(tools: Tools, **arguments: object) -> dict[str, Any]:
    account = {"account": {"account_id": "adv"}}
    return tools.call("get_media_buy_delivery", account | arguments)


def test_it_answers_as_the_route_does(tools: Tools) -> None:
    answer = call(tools, media_buy_ids=["mb"], context={"n": 1})
    assert answer == answer_of(tools.served, "mb") | {"context": {"n": 1}}


def test_without_names_all_media_buys_are_told(tools: Tools) -> None:
    answer = call(tools, **BOTH_DAYS)
    told = [each["media_buy_id"] for each in answer["media_buy_deliveries"]]
    assert told == ["bare", "free", "late", "mb", "mixed"]
    assert valid_in(answer)[-1:] == ["3.2.4"]
    none = call(tools, status_filter=["completed"])
    assert none["media_buy_deliveries"] == []
    assert valid_in(none)[-1:] == ["3.2.4"]


def test_media_buys_that_are_not_known_are_named(tools: Tools) -> None:
    answer = call(tools, media_buy_ids=["none", "mb", "nil"])
    assert [each["media_buy_id"] for each in answer["media_buy_deliveries"]] == ["mb"]
    assert [(each["code"], each["field"]) for each in answer["errors"]] == [
        ("MEDIA_BUY_NOT_FOUND", "media_buy_ids[0]"),
        ("MEDIA_BUY_NOT_FOUND", "media_buy_ids[2]"),
    ]
    assert valid_in(answer) == [*RELEASES]
    refused = call(tools, media_buy_ids=["none"])
    assert refused["adcp_error"]["code"] == "MEDIA_BUY_NOT_FOUND"


def test_a_model_that_is_not_there_gives_way_to_the_default(tools: Tools) -> None:
    for window in ({"model": "data_driven"}, {"post_click": {"interval": 7, "unit": "days"}}):
        answer = call(tools, media_buy_ids=["mb"], attribution_window=window)
        assert answer["attribution_window"]["model"] == "last_touch"
        assert answer["attribution_window"]["post_click"]["interval"] == 30
    linear = call(tools, media_buy_ids=["mb"], attribution_window={"model": "linear"})
    assert linear["attribution_window"]["model"] == "linear"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"time_granularity": "daily"}, "UNSUPPORTED_GRANULARITY"),
        ({"reporting_revision_id": "r1"}, "UNSUPPORTED_FEATURE"),
        ({"media_buy_ids": []}, "INVALID_REQUEST"),
        ({"media_buy_ids": ["mb"] * 26}, "INVALID_REQUEST"),
        ({"media_buy_ids": [1]}, "INVALID_REQUEST"),
        ({"start_date": 20260510}, "INVALID_REQUEST"),
        ({"start_date": "20260510"}, "INVALID_REQUEST"),
        ({"attribution_window": "7d"}, "INVALID_REQUEST"),
        ({"include_package_daily_breakdown": "yes"}, "INVALID_REQUEST"),
        ({"account": {"account_id": "nobody"}}, None),
    ],
)
def test_arguments_are_checked(tools: Tools, arguments: dict[str, Any], code: str | None) -> None:
    answer = call(tools, **arguments)
    assert answer.get("adcp_error", {}).get("code") == code


def test_keys_count_as_they_do_for_rest(tools: Tools) -> None:
    keys = tools.served.keys
    rival = headers(keys, advertisers=["rival"], rights=["read"])
    foreign = tools.call("get_media_buy_delivery", {"account": {"account_id": "adv"}}, **rival)
    assert foreign["adcp_error"]["code"] == "REFERENCE_NOT_FOUND"
    writer = headers(keys, advertisers=["adv"], rights=["write"])
    refused = tools.call("get_media_buy_delivery", {}, **writer)
    assert refused["adcp_error"]["code"] == "SCOPE_INSUFFICIENT"


def test_capabilities_say_that_it_is_there(tools: Tools) -> None:
    answer = tools.call("get_adcp_capabilities", {})
    assert answer["media_buy"]["conversion_tracking"]["per_creative_attribution"] is True


def test_many_media_buys_have_to_be_named(
    delivered: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.api.reads.delivery.BUYS_MAX", 2)
    account = {"account": {"account_id": "adv"}, "start_date": "2026-05-09"}
    refused = Tools(delivered).call("get_media_buy_delivery", account)
    assert refused["adcp_error"]["field"] == "media_buy_ids"
