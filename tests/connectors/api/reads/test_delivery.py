"""Deliveries over HTTP: worked out by hand, and valid against published schemas."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator

from connectors.api.reads.delivery_schemas import DELIVERED
from tests.connectors.api.conftest import Served
from tests.connectors.api.reads.conftest import headers, published

RELEASES = ("3.0.18", "3.1.27", "3.2.4")
BOTH_DAYS = {"start_date": "2026-05-10", "end_date": "2026-05-12"}
DAILY = BOTH_DAYS | {"include_package_daily_breakdown": "true"}


def ask(
    served: Served,
    media_buy_id: str,
    advertiser: str = "adv",
    **more: Any,  # noqa: ANN401
) -> httpx.Response:
    path = f"/api/buyer/advertisers/{advertiser}/media-buys/{media_buy_id}/delivery"
    return served.client.get(path, **more)


def answer_of(served: Served, media_buy_id: str, **params: str) -> dict[str, Any]:
    answer = ask(served, media_buy_id, params=params)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    Draft7Validator(DELIVERED).validate(content)
    return content


def buy_of(served: Served, media_buy_id: str, **params: str) -> dict[str, Any]:
    (buy,) = answer_of(served, media_buy_id, **params)["media_buy_deliveries"]
    assert isinstance(buy, dict)
    return buy


def valid_in(content: dict[str, Any]) -> list[str]:
    """Return the releases of AdCP whose published schema takes an answer, where it is at hand."""
    return [
        release
        for release in RELEASES
        if Draft7Validator(
            published(f"adcp-{release}/get-media-buy-delivery-response.json")
        ).is_valid(content)
    ]


def test_a_media_buy_is_told_as_worked_out_by_hand(delivered: Served) -> None:
    buy = buy_of(delivered, "mb")
    assert buy["currency"] == "USD"
    assert buy["totals"] == {
        "impressions": 4,
        "clicks": 2,
        "ctr": 0.5,
        "conversions": 5,
        "spend": 11,
        "conversion_value": 185,
        "roas": pytest.approx(185 / 11),
        "cost_per_acquisition": 2.2,
        "by_event_type": [
            {"event_type": "purchase", "event_source_id": "src", "count": 2, "value": 160},
            {"event_type": "custom", "event_source_id": "src", "count": 1, "value": 5},
            {"event_type": "lead", "event_source_id": "src", "count": 1},
            {"event_type": "subscribe", "event_source_id": "src", "count": 1, "value": 20},
        ],
        "by_action_source": [
            {"action_source": "in_store", "event_source_id": "src", "count": 1, "value": 60},
            {"action_source": "website", "event_source_id": "src", "count": 1, "value": 100},
        ],
    }, "the refund takes nothing away"
    first, second = buy["by_package"]
    assert (first["package_id"], first["pricing_model"], first["rate"]) == ("p1", "cpm", 2000)
    assert (second["package_id"], second["pricing_model"], second["rate"]) == ("p2", "cpc", 5)
    assert [each["creative_id"] for each in first["by_creative"]] == ["c1", "c2"]
    assert first["by_creative"][0] == {
        "creative_id": "c1",
        "impressions": 2,
        "clicks": 1,
        "ctr": 0.5,
        "conversions": 2,
        "spend": 4,
        "conversion_value": 160,
        "roas": 40,
        "cost_per_acquisition": 2,
    }
    assert "conversion_value" not in first["by_creative"][1], "a lead has none"
    assert first["by_creative_truncated"] is False


@pytest.mark.parametrize("model", ["last_touch", "first_touch", "linear", "time_decay"])
def test_counts_by_type_are_all_conversions_under_every_model(
    delivered: Served, model: str
) -> None:
    content = answer_of(delivered, "mb", model=model)
    assert content["attribution_window"] == {
        "post_click": {"interval": 30, "unit": "days"},
        "post_view": {"interval": 1, "unit": "days"},
        "model": model,
    }
    (buy,) = content["media_buy_deliveries"]
    for metrics in (buy["totals"], *buy["by_package"]):
        counts = sum(Decimal(str(each["count"])) for each in metrics["by_event_type"])
        assert counts == Decimal(str(metrics["conversions"]))
    (late,) = answer_of(delivered, "late", model=model)["media_buy_deliveries"]
    both = Decimal(str(buy["totals"]["conversions"])) + Decimal(str(late["totals"]["conversions"]))
    assert both == 5, "each conversion is shared out, and none is invented"
    assert (late["totals"]["conversions"] > 0) is (model in {"linear", "time_decay"})


def test_days_are_told_on_request(delivered: Served) -> None:
    assert "daily_breakdown" not in buy_of(delivered, "mb")
    buy = buy_of(delivered, "mb", **DAILY)
    shown, sold = buy["daily_breakdown"]
    assert shown == {
        "date": "2026-05-10",
        "impressions": 4,
        "clicks": 2,
        "ctr": 0.5,
        "conversions": 0,
        "spend": 11,
        "conversion_value": 0,
        "roas": 0,
    }
    assert (sold["date"], sold["conversions"], sold["spend"]) == ("2026-05-11", 5, 0)
    assert "roas" not in sold, "nothing was spent on that day"
    days = [[each["date"] for each in package["daily_breakdown"]] for package in buy["by_package"]]
    assert days == [["2026-05-10", "2026-05-11"]] * 2


def test_a_period_is_half_open(delivered: Served) -> None:
    def told(**params: str) -> tuple[str, str, float, float]:
        content = answer_of(delivered, "mb", **params)
        period, totals = (
            content["reporting_period"],
            content["media_buy_deliveries"][0]["totals"],
        )
        assert period["timezone"] == "UTC"
        return period["start"][:10], period["end"][:10], totals["spend"], totals["conversions"]

    assert told() == ("2026-05-10", "2026-05-12", 11, 5), "from the first to the last record"
    one = {"start_date": "2026-05-10", "end_date": "2026-05-11"}
    assert told(**one) == ("2026-05-10", "2026-05-11", 11, 0)
    assert told(start_date="2026-05-11") == ("2026-05-11", "2026-05-12", 0, 5)
    assert told(end_date="2026-05-11") == ("2026-05-10", "2026-05-11", 11, 0)
    empty = {"start_date": "2026-06-01", "end_date": "2026-06-02"}
    assert told(**empty) == ("2026-06-01", "2026-06-02", 0, 0)


def test_currencies_are_never_mixed(delivered: Served) -> None:
    content = answer_of(delivered, "mixed", **DAILY)
    assert "currency" not in content
    (buy,) = content["media_buy_deliveries"]
    assert "currency" not in buy
    assert "daily_breakdown" not in buy
    assert buy["totals"].keys() == {
        *("impressions", "clicks", "ctr", "conversions", "by_event_type", "by_action_source")
    }
    assert buy["totals"]["by_event_type"] == [
        {"event_type": "purchase", "event_source_id": "src", "count": 3}
    ]
    euros = buy["by_package"][1]
    assert (euros["currency"], euros["spend"], euros["conversion_value"]) == ("EUR", 3, 30)
    assert (euros["conversions"], euros["roas"]) == (2, 10)
    assert buy["ext"]["tributary"]["by_currency"] == [
        {"currency": "EUR", "spend": 3, "conversion_value": 30},
        {"currency": "USD", "spend": 2, "conversion_value": 17},
    ]


def test_without_prices_no_return_is_invented(delivered: Served) -> None:
    (package,) = buy_of(delivered, "free")["by_package"]
    assert (package["spend"], package["currency"], package["rate"]) == (0, "XXX", 0)
    assert not package.keys() & {"roas", "cost_per_acquisition", "conversion_value"}


def test_what_has_no_package_is_told_beside_them(delivered: Served) -> None:
    buy = buy_of(delivered, "bare")
    assert buy["by_package"] == []
    assert buy["ext"]["tributary"]["without_package"]["spend"] == buy["totals"]["spend"] == 2


def test_answers_are_valid_in_the_releases_that_have_a_form_for_them(delivered: Served) -> None:
    for media_buy in ("mb", "free", "bare", "late"):
        assert valid_in(answer_of(delivered, media_buy, **DAILY)) == [*RELEASES], media_buy
    mixed = valid_in(answer_of(delivered, "mixed", **DAILY))
    assert mixed in (["3.2.4"], [*RELEASES]), "older ones require one currency; none is at hand"


def test_both_prefixes_answer_alike(delivered: Served) -> None:
    other = delivered.client.get("/api/v2/buyer/advertisers/adv/media-buys/mb/delivery")
    assert other.json() == answer_of(delivered, "mb")


def test_an_unknown_media_buy_and_a_foreign_one_are_not_found(delivered: Served) -> None:
    unknown = ask(delivered, "none")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "MEDIA_BUY_NOT_FOUND")
    mine = headers(delivered.keys, advertisers=["adv"], rights=["read"])
    assert ask(delivered, "mb", headers=mine).status_code == 200
    rival = headers(delivered.keys, advertisers=["rival"], rights=["read"])
    foreign = ask(delivered, "mb", headers=rival)
    absent = ask(delivered, "none", advertiser="nobody", headers=rival)
    assert (foreign.status_code, foreign.content) == (404, absent.content)
    own = ask(delivered, "mb", advertiser="rival", headers=rival)
    assert own.status_code == 404, "the media buy is another advertiser's"


def test_a_key_must_be_for_reading_and_for_all_sources(delivered: Served) -> None:
    writer = headers(delivered.keys, rights=["write"])
    assert ask(delivered, "mb", headers=writer).status_code == 403
    one_source = headers(delivered.keys, sources=["src"], rights=["read"])
    assert ask(delivered, "mb", headers=one_source).status_code == 403


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"start_date": "2026-13-01"}, "start_date"),
        ({"start_date": "1969-12-31"}, "start_date"),
        ({"end_date": "9999-12-31"}, "end_date"),
        ({"start_date": "2026-05-10", "end_date": "2026-05-10"}, "end_date"),
        ({"include_package_daily_breakdown": "true"}, "start_date"),
        (DAILY | {"start_date": "2025-05-10"}, "start_date"),
        ({"model": "data_driven"}, "model"),
    ],
)
def test_what_makes_no_sense_is_refused(
    delivered: Served, params: dict[str, str], field: str
) -> None:
    answer = ask(delivered, "mb", params=params)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "VALIDATION_ERROR", field)
