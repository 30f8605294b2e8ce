"""The oracle against hand-computed cases: shares, values, conservation; and the comparison."""

import random
from collections import defaultdict
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from attribution.policy import Policy
from attribution.vocabulary import MODELS
from tests.oracle import compare, replay_oracle
from tests.oracle.compare import canonical_json
from tests.support.raw import (
    DAY,
    DEVICE,
    HOUR,
    NOW,
    click,
    envelope,
    event,
    impression,
    moment,
    write_log,
)

Tables = dict[str, list[dict[str, Any]]]

USD = {"value": 10, "currency": "USD"}


def credits_of(
    folder: Path,
    impressions: list[dict[str, Any]],
    *,
    policy: Policy | None = None,
    custom_data: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the credits of one event at NOW, in path order."""
    given = event(custom_data=custom_data)
    write_log(folder, events=[envelope(given)], impressions=impressions)
    return replay_oracle(folder, policy or Policy())["credits"]


def clicks(count: int) -> list[dict[str, Any]]:
    """Build clicks an hour apart; the last is the latest and wins."""
    return [click(f"i{place}", time=NOW - (count - place) * HOUR) for place in range(count)]


@pytest.mark.parametrize(
    ("model", "count", "shares"),
    [
        ("last_touch", 1, ["1.000000000"]),
        ("last_touch", 3, ["0E-9", "0E-9", "1.000000000"]),
        ("first_touch", 1, ["1.000000000"]),
        ("first_touch", 3, ["1.000000000", "0E-9", "0E-9"]),
        ("linear", 1, ["1.000000000"]),
        ("linear", 3, ["0.333333333", "0.333333333", "0.333333334"]),
        ("linear", 7, ["0.142857142"] * 6 + ["0.142857148"]),
        ("position_based", 1, ["1.000000000"]),
        ("position_based", 2, ["0.500000000", "0.500000000"]),
        ("position_based", 3, ["0.400000000", "0.200000000", "0.400000000"]),
        (
            "position_based",
            5,
            ["0.400000000", "0.066666666", "0.066666666", "0.066666666", "0.400000002"],
        ),
    ],
)
def test_shares(tmp_path: Path, model: str, count: int, shares: list[str]) -> None:
    """Round down to billionths and give the winner the rest."""
    rows = credits_of(tmp_path, clicks(count))
    assert [str(row[model]) for row in rows] == shares


def test_time_decay_halves_with_every_half_life(tmp_path: Path) -> None:
    """Weigh 1/4, 1/2 and 1 of 7/4, and round values down from rounded shares."""
    shown = [click(f"i{weeks}", time=NOW - weeks * 7 * DAY) for weeks in range(3)]
    rows = credits_of(tmp_path, shown, custom_data=USD)
    assert [
        (row["impression_id"], str(row["time_decay"]), str(row["time_decay_value"])) for row in rows
    ] == [
        ("i2", "0.142857142", "1.428571"),
        ("i1", "0.285714285", "2.857142"),
        ("i0", "0.571428573", "5.714287"),
    ]


def test_weights_that_vanish_share_equally(tmp_path: Path) -> None:
    """Fall back to equal shares where float64 knows no smaller number."""
    rows = credits_of(tmp_path, clicks(2), policy=Policy(half_life=1))
    assert [str(row["time_decay"]) for row in rows] == ["0.500000000", "0.500000000"]


def test_the_remainder_goes_to_the_winner_wherever_it_stands(tmp_path: Path) -> None:
    """Let a click win in the middle of a path of views."""
    shown = [
        impression("i1", time=NOW - 3 * HOUR),
        click("i2", time=NOW - 2 * HOUR),
        impression("i3", time=NOW - HOUR),
    ]
    rows = credits_of(tmp_path, shown, custom_data={"value": 0.01, "currency": "EUR"})
    assert [
        (row["impression_id"], row["position"], str(row["linear"]), str(row["linear_value"]))
        for row in rows
    ] == [
        ("i1", 1, "0.333333333", "0.003333"),
        ("i2", 2, "0.333333334", "0.003334"),
        ("i3", 3, "0.333333333", "0.003333"),
    ]
    assert [str(row["last_touch_value"]) for row in rows] == ["0.000000", "0.010000", "0.000000"]
    assert {row["currency"] for row in rows} == {"EUR"}


def test_the_path_orders_ties_by_id(tmp_path: Path) -> None:
    """Break ties of time by code point, for the path as for the rank."""
    rows = credits_of(tmp_path, [click("b"), click("a"), click("B")])
    assert [(row["impression_id"], row["last_touch"]) for row in rows] == [
        ("B", 1),
        ("a", 0),
        ("b", 0),
    ]
    rows = credits_of(tmp_path, [click("b"), impression("a")])
    assert [(row["impression_id"], row["last_touch"]) for row in rows] == [("a", 0), ("b", 1)]


def test_a_conversion_without_value_earns_shares_only(tmp_path: Path) -> None:
    """Leave values and currency empty, also when only the currency was sent."""
    rows = credits_of(tmp_path, clicks(2), custom_data={"currency": "USD"})
    assert [row["linear"] for row in rows] == [Decimal("0.5"), Decimal("0.5")]
    assert {row[f"{model}_value"] for row in rows for model in MODELS} == {None}
    assert {row["currency"] for row in rows} == {None}


def test_a_value_of_nothing_is_a_value(tmp_path: Path) -> None:
    """Attribute zero as zero."""
    rows = credits_of(tmp_path, clicks(2), custom_data=USD | {"value": 0})
    assert [row["linear_value"] for row in rows] == [0, 0]


def random_log(folder: Path, seed: int) -> Path:
    """Write a small log in which ids, users and instants collide often."""
    dice = random.Random(seed)  # noqa: S311  no secret

    def user() -> dict[str, Any] | None:
        uid = {"uids": [{"type": "uid2", "value": f"u{dice.randrange(5)}"}]}
        return dice.choice([uid, DEVICE, uid | DEVICE, {"click_id": "c1"}, None])

    def some_event() -> dict[str, Any]:
        return event(
            f"e{dice.randrange(60)}",
            time=NOW - dice.randrange(9 * DAY),
            event_type=dice.choice(["purchase", "lead", "refund", "nonsense"]),
            user_match=user(),
            custom_data={"value": dice.randrange(10**7) / 10**6, "currency": "USD"},
        )

    def some_impression() -> dict[str, Any]:
        time = NOW - dice.randrange(12) * DAY
        build = dice.choice([click, impression])
        return build(f"i{dice.randrange(50)}", time=time, received_at=time, user_match=user())

    envelopes = [
        envelope(
            *(some_event() for _ in range(dice.randrange(1, 4))),
            received_at=NOW - dice.randrange(9 * DAY),
            test_event_code=dice.choice([None, None, None, "T1"]),
        )
        for _ in range(80)
    ]
    return write_log(
        folder,
        events=sorted(envelopes, key=itemgetter("received_at")),
        impressions=sorted((some_impression() for _ in range(120)), key=itemgetter("received_at")),
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_event_has_one_outcome(tmp_path: Path, seed: int) -> None:
    """Balance what was received with what became of it, in every row."""
    tables = replay_oracle(random_log(tmp_path, seed), Policy(max_candidates=5))
    assert len(tables["conversions"]) > 20
    for row in tables["match_stats"]:
        unique = row["observed"] + row["attributed"] + row["unattributed"]
        assert row["received"] == row["test"] + row["rejected"] + row["duplicate"] + unique
        assert row["unattributed"] == row["no_identifier"] + row["too_old"] + row["no_touchpoint"]
        assert row["attributed"] == row["click_through"] + row["view_through"]
        assert row["attributed"] == sum(row["matched_on"].values())


@pytest.mark.parametrize("seed", range(5))
def test_credit_sums_to_the_whole(tmp_path: Path, seed: int) -> None:
    """Sum shares to exactly 1 and values to exactly the value, in every model."""
    tables = replay_oracle(random_log(tmp_path, seed), Policy(max_candidates=5))
    paths = defaultdict(list)
    for row in tables["credits"]:
        paths[row["conversion_id"]].append(row)
    value_of = {row["conversion_id"]: row["value"] for row in tables["conversions"]}
    assert max(len(path) for path in paths.values()) == 5
    for conversion_id, path in paths.items():
        for model in MODELS:
            assert sum(row[model] for row in path) == 1
            assert sum(row[f"{model}_value"] for row in path) == value_of[conversion_id]


@pytest.mark.parametrize(
    "texts",
    [
        ["1.50", "1.5", "15e-1", "0.15E1"],
        ["1", "1.0", "10e-1"],
        ["0", "-0", "-0.0", "0.0"],
        ["1e999", "1E999", "1e998"],
        ["18446744073709551615", "18446744073709551616", "18446744073709551617.0"],
        ["0.1", "0.10000000000000001", "0.1000000000000000055511151231257827"],
        ['{"a":1,"b":2}', '{ "b": 2, "a": 1 }', '{"a": 1, "b": 2}', '{"a":1,"b":2,"a":1}'],
        ['"A/\\u00e9"', '"\\u0041\\/é"', '"A/e"'],
        ["[]", "{}", "null", '""', "[null]", '["object"]'],
    ],
)
def test_canonical_json_agrees_with_duckdb(texts: list[str]) -> None:
    """Distinguish texts exactly where the text that is stored differs."""
    stored = [duckdb.sql("select json(?)", params=[text]).fetchall() for text in texts]
    canonical = [canonical_json(text) for text in texts]
    assert [[a == b for a in canonical] for b in canonical] == [
        [a == b for a in stored] for b in stored
    ]


def test_compare_finds_nothing_between_equals() -> None:
    """Accept other spellings of the same row, any order, and more columns."""
    expected: Tables = {
        "duplicates": [
            {"event_id": "a", "is_changed": True},
            {"event_id": "a", "is_changed": False},
        ],
        "conversions": [
            {
                "conversion_id": "1",
                "custom_data": '{"a": 1.50, "b": "\\u0041"}',
                "match_quality": 0.3,
            }
        ],
        "match_stats": [{"event_type": "lead", "hour": moment(0), "carries": {"uid2": 1}}],
        "touchpoint_stats": [{"campaign_id": "c", "records": 1, "spend": Decimal(0)}],
    }
    actual: Tables = {
        "duplicates": [
            {"seq": 2, "event_id": "a", "is_changed": False},
            {"seq": 1, "event_id": "a", "is_changed": True},
        ],
        "conversions": [
            {"conversion_id": "1", "custom_data": '{"a":1.5,"b":"A"}', "match_quality": 0.3}
        ],
        "match_stats": [
            {"event_type": None, "hour": None, "carries": {}},
            {"event_type": "lead", "hour": moment(0), "carries": {"click": 0, "uid2": 1}},
        ],
        "touchpoint_stats": [{"campaign_id": "c", "records": 1, "spend": None}],
    }
    assert compare(expected, actual) == []


def test_compare_tells_what_differs() -> None:
    """Name the row, the column and both values; say what is missing or too much."""
    expected: Tables = {
        "conversions": [
            {"conversion_id": "1", "value": Decimal("1.5")},
            {"conversion_id": "2", "value": None},
        ],
        "duplicates": [{"event_id": "a", "is_changed": True}] * 2,
        "rejections": [],
    }
    actual: Tables = {
        "conversions": [
            {"conversion_id": "1", "value": Decimal(2)},
            {"conversion_id": "3", "value": None},
        ],
        "duplicates": [{"event_id": "a"}],
    }
    assert compare(expected, actual) == [
        "conversions (1): value should be Decimal('1.5'), is Decimal('2')",
        "conversions (2): missing",
        "conversions (3): not expected",
        "duplicates (None, None, None, a, None, None): missing",
        "duplicates (None, None, None, a, None, None): no column is_changed",
        "rejections: the table is missing",
    ]
