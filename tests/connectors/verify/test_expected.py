"""The rules, each at its edge, against `expected.sql`; results are whole and literal."""

import random
from decimal import Decimal
from hashlib import md5
from typing import Any

import pytest

from attribution.policy import Policy, Windows
from attribution.quality import kinds_of, quality
from attribution.vocabulary import KINDS
from tests.support.decoded import (
    CLICK_ID,
    DAY,
    DEVICE,
    HOUR,
    NOW,
    SECOND,
    START,
    UID2,
    Row,
    click,
    event,
    expected,
    impression,
    rejection,
    trial,
)

D = Decimal


def rows(sql: str, policy: Policy | None = None, **tables: list[Row]) -> list[tuple[Any, ...]]:
    with expected(policy, **tables) as connection:
        return connection.execute(sql).fetchall()


def outcomes(
    *events: Row, impressions: list[Row] | None = None, policy: Policy | None = None
) -> list[tuple[Any, ...]]:
    sql = "select event_id, outcome, reason from expected_conversions_final order by event_id"
    return rows(sql, policy, events=list(events), impressions=impressions or [])


def path(*impressions: Row, of: Row | None = None, policy: Policy | None = None) -> list[str]:
    """Return the impressions of the path of one event."""
    sql = "select impression_id from expected_credits_final order by position"
    found = rows(sql, policy, events=[of or event()], impressions=list(impressions))
    return [name for (name,) in found]


# ------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize(
    ("build", "keys", "window"),
    [
        (impression, [UID2], DAY),
        (click, [UID2], 30 * DAY),
        (impression, [CLICK_ID], 30 * DAY),
        (impression, [DEVICE], DAY),
        (click, [DEVICE], DAY),
    ],
)
def test_window_is_half_open(build: Any, keys: list[tuple[str, str]], window: int) -> None:  # noqa: ANN401  a builder
    of = event(keys=keys)
    assert path(build("inside", time=NOW - window + 1, keys=keys), of=of) == ["inside"]
    assert path(build("end", time=NOW - window, keys=keys), of=of) == []
    assert path(build("same time", time=NOW, keys=keys), of=of) == ["same time"]
    assert path(build("later", time=NOW + 1, keys=keys), of=of) == []


def test_windows_are_per_event_type() -> None:
    policy = Policy(windows={"lead": Windows(post_view=2 * HOUR)})
    shown = impression(time=NOW - 3 * HOUR)
    assert path(shown, of=event(event_type="lead"), policy=policy) == []
    assert path(shown, of=event(event_type="purchase"), policy=policy) == ["i1"]


def test_probabilistic_window_only_shortens() -> None:
    device = event(keys=[DEVICE])
    policy = Policy(probabilistic_window=48 * HOUR)
    assert path(impression(time=NOW - 25 * HOUR, keys=[DEVICE]), of=device, policy=policy) == []
    assert path(click(time=NOW - 47 * HOUR, keys=[DEVICE]), of=device, policy=policy) == ["i1"]


# ---------------------------------------------------------------------------- settling, keys


@pytest.mark.parametrize(("after", "names"), [(-1, ["i1"]), (0, []), (1, [])])
def test_touchpoint_must_arrive_before_the_conversion_settles(after: int, names: list[str]) -> None:
    assert path(impression(received_at=NOW + HOUR + after)) == names


def test_nothing_matches_across_advertisers() -> None:
    assert path(impression(advertiser_id="other")) == []


def test_same_value_of_another_kind_does_not_match() -> None:
    assert path(impression(keys=[("euid", "u1")])) == []


def test_kinds_outside_the_policy_do_not_match_but_are_carried() -> None:
    policy = Policy(match_keys=("click",))
    sql = "select outcome, reason, carries, match_quality from expected_conversions_final"
    found = rows(sql, policy, events=[event()], impressions=[impression()])
    assert found == [("unattributed", "no_identifier", ["uid2"], 0.9)]


# ------------------------------------------------------------------------------- touchpoints


def test_records_of_an_impression_are_one_touchpoint_and_the_click_speaks() -> None:
    records = [
        impression(time=NOW - 2 * HOUR, campaign_id="shown", keys=[UID2]),
        click(time=NOW - HOUR, campaign_id="clicked", keys=[DEVICE]),
        click(time=NOW - 30 * SECOND, campaign_id="clicked again", keys=[DEVICE]),
    ]
    sql = """select type, campaign_id, matched_on, is_probabilistic, path_length
        from expected_credits_final"""
    found = rows(sql, events=[event(keys=[UID2, DEVICE])], impressions=records)
    assert found == [("click", "clicked", "uid2", False, 1)]


def test_shared_click_id_proves_the_click_of_an_impression_record() -> None:
    keys = [UID2, CLICK_ID]
    sql = "select type, matched_on, is_probabilistic from expected_credits_final"
    found = rows(sql, events=[event(keys=keys)], impressions=[impression(keys=keys)])
    assert found == [("click", "click", False)]


def test_strength_is_policy() -> None:
    keys = [UID2, CLICK_ID]
    policy = Policy(match_keys=("uid2", "click"))
    sql = "select matched_on from expected_credits_final"
    found = rows(sql, policy, events=[event(keys=keys)], impressions=[impression(keys=keys)])
    assert found == [("uid2",)]


def test_only_ip_and_user_agent_is_probabilistic() -> None:
    sql = """select matched_on, touch_type, is_probabilistic, seconds_to_convert
        from expected_conversions_final"""
    shown = impression(time=NOW - 90 * SECOND, keys=[DEVICE])
    found = rows(sql, events=[event(keys=[UID2, DEVICE])], impressions=[shown])
    assert found == [("ip_ua", "view", True, 90.0)]


def winner(*impressions: Row) -> str:
    sql = "select impression_id from expected_credits_final where last_touch = 1"
    both = [UID2, DEVICE]
    return str(rows(sql, events=[event(keys=both)], impressions=list(impressions))[0][0])


def test_rank() -> None:
    early, late = NOW - 3 * HOUR, NOW - HOUR
    assert winner(click("a", time=early, keys=[DEVICE]), impression("b", time=late)) == "a"
    assert winner(click("a", time=early), click("b", time=late, keys=[DEVICE])) == "a"
    assert winner(impression("a", time=early), impression("b", time=late)) == "b"
    assert winner(impression("b", time=late), impression("a", time=late)) == "a"


# ------------------------------------------------------------------------------------ models


def shares(*times: int, value: str | None = None) -> list[tuple[Any, ...]]:
    """Return the shares of views at these times before the event, and what they earn."""
    shown = [impression(f"i{n}", time=NOW - time) for n, time in enumerate(times)]
    sql = """select impression_id, last_touch, first_touch, linear, time_decay, position_based,
        last_touch_value, first_touch_value, linear_value, time_decay_value, position_based_value,
        currency from expected_credits_final order by position"""
    worth = None if value is None else D(value)
    sold = event(value=worth, currency="EUR")
    policy = Policy(half_life=HOUR)
    return rows(sql, policy, events=[sold], impressions=shown)


def test_one_touchpoint_earns_all() -> None:
    one, all_of_it = D("1.000000000"), D("9.990000")
    assert shares(HOUR, value="9.99") == [("i0", *[one] * 5, *[all_of_it] * 5, "EUR")]


def test_two_touchpoints() -> None:
    none, half, one = D("0E-9"), D("0.500000000"), D("1.000000000")
    third, rest = D("0.333333333"), D("0.666666667")
    assert shares(2 * HOUR, HOUR) == [
        ("i0", none, one, half, third, half, *[None] * 5, None),
        ("i1", one, none, half, rest, half, *[None] * 5, None),
    ]


def test_winner_takes_the_remainder_of_share_and_value() -> None:
    found = shares(3 * HOUR, 2 * HOUR, HOUR, value="0.000100")
    assert found == [
        (
            "i0",
            *map(D, ["0", "1", "0.333333333", "0.142857142", "0.4"]),
            *map(D, ["0", "0.0001", "0.000033", "0.000014", "0.00004"]),
            "EUR",
        ),
        (
            "i1",
            *map(D, ["0", "0", "0.333333333", "0.285714285", "0.2"]),
            *map(D, ["0", "0", "0.000033", "0.000028", "0.00002"]),
            "EUR",
        ),
        (
            "i2",
            *map(D, ["1", "0", "0.333333334", "0.571428573", "0.4"]),
            *map(D, ["0.0001", "0", "0.000034", "0.000058", "0.00004"]),
            "EUR",
        ),
    ]


def test_middle_of_a_path_divides_a_fifth() -> None:
    found = [row[5] for row in shares(5 * HOUR, 4 * HOUR, 3 * HOUR, 2 * HOUR, HOUR)]
    middle = D("0.066666666")
    assert found == [D("0.4"), middle, middle, middle, D("0.400000002")]


def test_winner_within_the_path() -> None:
    hours = {"i1": 4, "i2": 3, "i3": 2, "i4": 1}
    shown = [impression(name, time=NOW - before * HOUR) for name, before in hours.items()]
    clicked = click("i0", time=NOW - 5 * HOUR // 2)
    sql = """select impression_id, last_touch, linear, position_based
        from expected_credits_final order by position"""
    fifth, middle, none = D("0.2"), D("0.066666666"), D(0)
    assert rows(sql, events=[event()], impressions=[*shown, clicked]) == [
        ("i1", none, fifth, D("0.4")),
        ("i2", none, fifth, middle),
        ("i0", D(1), fifth, D("0.066666668")),
        ("i3", none, fifth, middle),
        ("i4", none, fifth, D("0.4")),
    ]


def test_largest_value_is_shared_exactly() -> None:
    found = [row[8] for row in shares(3 * HOUR, 2 * HOUR, HOUR, value="999999999999.999999")]
    assert found == [D("333333332999.999999"), D("333333332999.999999"), D("333333334000.000001")]


# ------------------------------------------------------------------------------------ limits


def test_latest_records_of_a_key_count() -> None:
    policy = Policy(max_candidates=2)
    shown = [impression(name, time=NOW - 2 * HOUR) for name in "bc"]
    shown += [impression("a", time=NOW - 2 * HOUR, received_at=5)]  # arrival breaks no tie of ids
    late = impression("z", time=NOW - HOUR, received_at=NOW + HOUR)  # too late to be eligible
    assert path(*shown, late, policy=policy) == ["b", "c"]
    sql = "select is_limited, path_length from expected_conversions_final"
    assert rows(sql, policy, events=[event()], impressions=[*shown, late]) == [(True, 2)]
    assert rows(sql, policy, events=[event()], impressions=shown[1:]) == [(False, 2)]


def test_best_ranked_touchpoints_stay() -> None:
    policy = Policy(max_candidates=1)
    records = [click("a", time=NOW - 5 * HOUR, keys=[DEVICE]), impression("b")]
    found = path(*records, of=event(keys=[UID2, DEVICE]), policy=policy)
    assert found == ["a"]
    sql = "select is_limited from expected_conversions_final"
    seen = rows(sql, policy, events=[event(keys=[UID2, DEVICE])], impressions=records)
    assert seen == [(True,)]


def test_several_records_of_one_impression_each_count_for_the_limit() -> None:
    policy = Policy(max_candidates=2)
    again = [impression("b", received_at=n, source_offset=n) for n in range(2)]
    assert path(impression("a"), *again, policy=policy) == ["b"]


# ------------------------------------------------------------------------------------- dedup


def copies(*received_at: int) -> list[tuple[Any, ...]]:
    """Return for events of one id, by arrival, which conversion each belongs to."""
    events = [event(received_at=at, source_offset=n) for n, at in enumerate(received_at)]
    sql = """with ids as (
        select conversion_id, source_offset as winner from expected_conversions_final)
        select source_offset, winner from ids join expected_conversions_final
          using (conversion_id)
        union all
        select (epoch_us(received_at) - ?) // 1, winner from ids join expected_duplicates
          using (conversion_id) order by all"""
    return rows(sql.replace("?", str(START)), events=events)


def test_key_is_held_from_the_first_copy_on() -> None:
    week = 7 * DAY
    assert copies(NOW, NOW + week - 1) == [(0, 0), (NOW + week - 1, 0)]
    assert copies(NOW, NOW + week) == [(0, 0), (1, 1)]
    # The second copy does not prolong the first: the third one begins anew, and holds the fourth.
    assert copies(NOW, NOW + 6 * DAY, NOW + 8 * DAY, NOW + 14 * DAY) == [
        (0, 0),
        (2, 2),
        (NOW + 6 * DAY, 0),
        (NOW + 14 * DAY, 2),
    ]


def test_scope_of_a_key() -> None:
    others = [
        event(),
        event(advertiser_id="other"),
        event(event_source_id="other"),
        event(event_type="lead"),
        event("e2"),
    ]
    assert len(outcomes(*others)) == 5


@pytest.mark.parametrize(
    "order",
    [
        ("received_at", NOW + 1),
        ("source_partition", "z"),
        ("source_offset", 1),
        ("source_index", 1),
    ],
)
def test_first_copy_by_arrival_then_place(order: tuple[str, Any]) -> None:
    name, value = order
    value = START + value if name == "received_at" else value
    sql = "select order_id from expected_conversions_final"
    events = [event(order_id="second") | {name: value}, event(order_id="first")]
    assert rows(sql, events=events) == [("first",)]


@pytest.mark.parametrize(
    ("change", "is_changed"),
    [
        ({}, False),
        ({"event_time": START}, True),
        ({"custom_event_name": "x"}, True),
        ({"action_source": "website"}, True),
        ({"event_source_url": "https://a.example"}, True),
        ({"value": D(1)}, True),
        ({"currency": "USD"}, True),
        ({"custom_data": '{"a":2}'}, True),
        ({"custom_data": ' {"a": 1.0} '}, False),
        ({"carries": ["other_uid", "uid2"]}, True),
        ({"match_keys": []}, True),
        ({"warnings": ["value_rounded"]}, False),
    ],
)
def test_changed_duplicates(change: Row, is_changed: bool) -> None:  # noqa: FBT001  the expectation
    first = event(custom_data='{"a":1.0}', value=D(2), currency="EUR")
    later = event(custom_data='{"a":1.0}', value=D(2), currency="EUR", source_offset=1) | change
    assert rows("select is_changed from expected_duplicates", events=[first, later]) == [
        (is_changed,)
    ]


def test_conversion_id() -> None:
    key = f"{START + NOW}|3|2|13:events.ndjson|3:adv|4:s\u00fcrc|8:purchase|e1"
    given = event(source_offset=3, source_index=2, event_source_id="s\u00fcrc")
    expected_id = md5(key.encode()).hexdigest()  # noqa: S324  an id, no secret
    found = rows("select conversion_id from expected_conversions_final", events=[given])
    assert found == [(expected_id,)]


# ---------------------------------------------------------------------------------- outcomes


def test_outcomes_in_order() -> None:
    too_old = NOW + 7 * DAY + 1
    events = [
        event("attributed"),
        event("no id", keys=[], received_at=too_old),
        event("no touchpoint", keys=[("uid2", "u2")]),
        event("observed", event_type="refund", keys=[]),
        event("old", received_at=too_old),
        event("old enough", received_at=too_old - 1),
    ]
    assert outcomes(*events, impressions=[impression()]) == [
        ("attributed", "attributed", None),
        ("no id", "unattributed", "no_identifier"),
        ("no touchpoint", "unattributed", "no_touchpoint"),
        ("observed", "observed", None),
        ("old", "unattributed", "too_old"),
        ("old enough", "attributed", None),
    ]


def test_observed_and_unattributed_have_no_winner() -> None:
    sql = """select outcome, matched_on, touch_type, is_probabilistic, path_length,
        seconds_to_convert, is_limited from expected_conversions_final order by outcome"""
    events = [event("r", event_type="refund"), event("n", keys=[]), event("x", time=0)]
    found = rows(sql, events=events, impressions=[impression()])
    assert found == [
        ("observed", None, None, None, 0, None, False),
        ("unattributed", None, None, None, 0, None, False),
        ("unattributed", None, None, None, 0, None, False),
    ]
    assert path(impression(), of=event(event_type="refund")) == []


def test_carries_are_ordered_and_weighed() -> None:
    given = event(carries=["ip_ua", "other_uid", "uid2"], keys=[])
    sql = "select carries, match_quality from expected_conversions_final"
    assert rows(sql, events=[given]) == [(["uid2", "ip_ua", "other_uid"], 0.937)]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_quality_is_the_same_to_the_last_digit(seed: int) -> None:
    """Whatever the weights and the order of kinds: a sum of qualities is compared exactly."""
    chance = random.Random(seed)  # noqa: S311  not a secret
    kinds = [kind for kind in KINDS if kind != "other_uid"]
    chance.shuffle(kinds)
    weights = {kind: chance.choice([0.1, 0.7, 1.0, chance.random()]) for kind in KINDS}
    policy = Policy(match_keys=tuple(kinds), weights=weights)
    masks = [0, *chance.sample(range(1, 1 << len(KINDS)), 200)]
    events = [
        event(f"{mask:04}", source_offset=mask, keys=[], carries=kinds_of(mask, policy))
        for mask in masks
    ]
    sql = "select match_quality from expected_conversions_final order by event_id"
    found = [each for (each,) in rows(sql, policy, events=events)]
    assert found == [quality(mask, policy) for mask in sorted(masks)]
    [(total,)] = rows("select sum(quality_sum) from expected_match_stats", policy, events=events)
    assert total == sum(D(f"{each:.12f}") for each in found)


# ------------------------------------------------------------------------------------ counts


def test_match_stats() -> None:
    events = [
        event("a", warnings=["malformed_hash"], dropped=["user_match.uids[0]", "surface"]),
        event("b", dropped=["user_match.uids[0]", "user_match.uids[1]"], keys=[]),
        event("a", source_offset=1, action_source="app", warnings=["value_rounded"]),
    ]
    sql = "select * exclude (hour), date_part('day', hour), date_part('hour', hour) from "
    found = rows(
        f"{sql} expected_match_stats order by event_type nulls first",
        events=events,
        impressions=[impression()],
        rejections=[rejection(event_type=None, events=3), rejection(stream="impressions")],
        tests=[trial(event_type=None, events=2)],
    )
    assert found == [
        ("adv", "src", None, 5, 2, 3, *[0] * 11, {}, {}, {}, {}, Decimal(0), 0, 11, 0),
        (
            *("adv", "src", "purchase", 3, 0, 0, 1, 1),
            *(0, 1, 1, 1, 0, 0),
            *(0, 1, 0),
            {"uid2": 1},
            {"uid2": 1},
            {"surface": 1, "user_match.uids": 3},
            {"malformed_hash": 1},
            *(Decimal("0.9"), 0, 11, 0),
        ),
    ]


def test_touchpoint_stats() -> None:
    paid: Row = {"spend": D("0.25"), "currency": "USD"}
    records = [
        impression(**paid),
        impression(received_at=7 * DAY - 1, **paid),
        impression(received_at=7 * DAY, **paid),
        impression(campaign_id="other", received_at=1, **paid),
        click(),
    ]
    sql = """select campaign_id, type, records, duplicates, spend, currency
        from expected_touchpoint_stats order by all"""
    assert rows(sql, impressions=records) == [
        ("cmp", "click", 1, 0, D("0.000000"), None),
        ("cmp", "impression", 2, 1, D("0.500000"), "USD"),
        ("other", "impression", 0, 1, D("0.000000"), "USD"),
    ]
