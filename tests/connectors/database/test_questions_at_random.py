"""The views of the standing questions, on random rows, against loops in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations
from statistics import median
from typing import Any, Final

import duckdb
import pytest

from attribution.vocabulary import MODELS
from tests.support.decoded import Row
from tests.support.random_rows import AD, EDGES, PENNILESS, RandomRows, answers

D = Decimal
MONIES: Final = (None, "EUR", "USD")
SEEDS: Final = (1, 2, 3)


@pytest.fixture(scope="module", params=SEEDS)
def made(request: pytest.FixtureRequest) -> RandomRows:
    return RandomRows(request.param)


@pytest.fixture(scope="module")
def result(
    made: RandomRows, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    with made.written(tmp_path_factory.mktemp("random") / "result.duckdb") as connection:
        yield connection


def daily(rows: RandomRows, advertiser: str) -> dict[tuple[Any, ...], Counter[Any]]:
    """Add up an advertiser's facts per ad and day; money is counted under (what, currency)."""
    sums: dict[tuple[Any, ...], Counter[Any]] = defaultdict(Counter)
    for row in rows.deltas:
        if row["advertiser_id"] == advertiser:
            found = sums[(*(row[name] for name in AD), row["hour"].date())]
            found[row["type"]] += row["records"]
            found["spend", row["currency"]] += row["spend"]
    for row in rows.credits:
        if row["advertiser_id"] == advertiser:
            found = sums[(*(row[name] for name in AD), row["event_time"].date())]
            for model in MODELS:
                found[model] += row[model]
                found["valued", model, row["currency"]] += row[model]
                found["value", model, row["currency"]] += row[f"{model}_value"] or 0
    return sums


def expected_day(found: Counter[Any], model: str, money: str | None) -> Row:
    other = sum(found["spend", name] for name in MONIES if name not in {None, money})
    spend, value = found["spend", money], found["value", model, money]
    if money is None:
        spend = value = 0
    return {
        "impressions": found["impression"],
        "clicks": found["click"],
        "conversions": found[model],
        "valued_conversions": found["valued", model, money] if money else 0,
        "value": value,
        "spend": spend,
        "ctr": ratio(found["click"], found["impression"]),
        "cpa": None if other or not spend else ratio(spend, found[model]),
        "roas": ratio(value, spend),
    }


def ratio(part: Any, whole: Any) -> Any:  # noqa: ANN401  any number
    return pytest.approx(float(part) / float(whole)) if whole else None


def test_daily_performance(made: RandomRows, result: duckdb.DuckDBPyConnection) -> None:
    got = answers(result, "from daily_performance")
    expected = {
        (advertiser, *key, model, money): expected_day(found, model, money)
        for advertiser in "ABCD"
        for key, found in daily(made, advertiser).items()
        for model in MODELS
        for money in ((None,) if advertiser == PENNILESS else MONIES[1:])
    }
    keys = ("advertiser_id", *AD, "day", "model", "currency")
    assert len(got) == len(expected)
    for row in got:
        key = tuple(row.pop(name) for name in keys)
        assert isinstance(key[5], date)
        assert row == expected[key], key


def test_campaigns_are_the_sum_of_their_days(result: duckdb.DuckDBPyConnection) -> None:
    sums = """sum(impressions) as impressions, sum(clicks) as clicks,
        sum(conversions) as conversions, sum(valued_conversions) as valued_conversions,
        sum(value) as value, sum(spend) as spend"""
    key = "advertiser_id, campaign_id, model, currency"
    names = f"{key}, impressions, clicks, conversions, valued_conversions, value, spend"
    difference = f"""
        (select {names} from campaign_performance where currency is not null except all
        select {key}, {sums} from daily_performance group by all) union all
        (select {key}, {sums} from daily_performance group by all
        having sum(value) > 0 or sum(spend) > 0
        except all select {names} from campaign_performance)"""
    assert answers(result, difference) == []
    assert answers(result, "select 1 from campaign_performance where value > 0 limit 1") != []


def test_model_comparison(made: RandomRows, result: duckdb.DuckDBPyConnection) -> None:
    expected: dict[tuple[Any, ...], Counter[Any]] = defaultdict(Counter)
    for row in made.credits:
        sums = expected[row["advertiser_id"], row["campaign_id"], row["currency"]]
        for model in MODELS:
            sums[model] += row[model]
            sums[f"{model}_value"] += row[f"{model}_value"] or 0
    got = answers(result, "from model_comparison")
    assert len(got) == len(expected)
    for row in got:
        key = tuple(row.pop(name) for name in ("advertiser_id", "campaign_id", "currency"))
        assert {name: sums or 0 for name, sums in row.items()} == dict(expected[key])


def test_journeys_are_in_order_whatever_that_of_the_rows(
    made: RandomRows, result: duckdb.DuckDBPyConnection
) -> None:
    by_conversion: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(made.credits, key=lambda row: row["position"]):
        by_conversion[row["conversion_id"]].append(row)
    got = answers(result, "from journeys")
    assert {row["conversion_id"] for row in got} == set(by_conversion)
    for row in got:
        path = by_conversion[row["conversion_id"]]
        assert row["campaigns"] == [each["campaign_id"] for each in path]
        assert [each["linear"] for each in row["path"]] == [each["linear"] for each in path]


def test_time_to_convert(made: RandomRows, result: duckdb.DuckDBPyConnection) -> None:
    times: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row in made.conversions:
        if row["path_length"]:
            key = row["advertiser_id"], row["event_type"], row["touch_type"]
            times[key].append(row["seconds_to_convert"])
    for row in answers(result, "from time_to_convert"):
        seconds = times[row["advertiser_id"], row["event_type"], row["touch_type"]]
        low, high = row["from_seconds"], row["to_seconds"] or float("inf")
        assert low == EDGES[row["bucket_order"] - 1]
        assert row["conversions"] == sum(low <= each < high for each in seconds)
        assert row["cumulative_share"] == sum(each < high for each in seconds) / len(seconds)
        assert row["median_seconds"] == pytest.approx(median(seconds))
        assert sum(each <= row["p90_seconds"] for each in seconds) >= 0.9 * (len(seconds) - 1)
    assert len(answers(result, "from time_to_convert")) == 10 * len(times)


def test_frequency(made: RandomRows, result: duckdb.DuckDBPyConnection) -> None:
    expected: Counter[Any] = Counter()
    values: Counter[Any] = Counter()
    for row in made.conversions:
        if row["path_length"]:
            key = (
                row["advertiser_id"],
                row["event_type"],
                row["path_length"],
                None if row["value"] is None else row["currency"],
            )
            expected[key] += 1
            values[key] += row["value"] or 0
    got = {tuple(row.values())[:4]: tuple(row.values())[4:] for row in answers(result, FREQUENCY)}
    assert got == {key: (count, values[key]) for key, count in expected.items()}


FREQUENCY: Final = "select * replace (coalesce(value, 0) as value) from frequency"


def paths(rows: RandomRows) -> Iterator[tuple[str, Sequence[str | None], str | None]]:
    """Yield advertiser, campaigns and the winner's campaign of each attributed conversion."""
    by_conversion: dict[str, list[Row]] = defaultdict(list)
    for row in rows.credits:
        by_conversion[row["conversion_id"]].append(row)
    for path in by_conversion.values():
        [winner] = [row for row in path if row["last_touch"] == 1]
        yield path[0]["advertiser_id"], [row["campaign_id"] for row in path], winner["campaign_id"]


def test_assisted_conversions(made: RandomRows, result: duckdb.DuckDBPyConnection) -> None:
    won: Counter[Any] = Counter()
    assisted: Counter[Any] = Counter()
    for advertiser, campaigns, winner in paths(made):
        won[advertiser, winner] += 1
        assisted.update((advertiser, name) for name in set(campaigns) - {winner})
    for row in answers(result, "from assisted_conversions"):
        key = row["advertiser_id"], row["campaign_id"]
        assert (row["won"], row["assisted"]) == (won[key], assisted[key])
        assert row["assist_ratio"] == ratio(assisted[key], won[key])
    assert len(answers(result, "from assisted_conversions")) == len(won | assisted)


def test_channel_overlap(made: RandomRows, result: duckdb.DuckDBPyConnection) -> None:
    reached: Counter[Any] = Counter()
    both: Counter[Any] = Counter()
    for advertiser, campaigns, _ in paths(made):
        names = sorted(name for name in set(campaigns) if name is not None)
        reached.update((advertiser, name) for name in names)
        both.update((advertiser, *pair) for pair in combinations(names, 2))
    got = {
        (row["advertiser_id"], row["campaign_id"], row["other_campaign_id"]): row
        for row in answers(result, "from channel_overlap")
    }
    assert got.keys() == both.keys()
    for (advertiser, one, other), row in got.items():
        a, b, ab = (
            reached[advertiser, one],
            reached[advertiser, other],
            both[advertiser, one, other],
        )
        assert (row["conversions"], row["other_conversions"]) == (a, b)
        assert (row["conversions_with_both"], row["overlap"]) == (ab, ratio(ab, a + b - ab))
