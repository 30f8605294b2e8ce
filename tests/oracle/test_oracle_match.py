"""The oracle against hand-computed cases: which touchpoints are candidates, and which wins."""

from pathlib import Path
from typing import Any

import pytest

from attribution.policy import Policy, Windows
from tests.oracle import replay_oracle
from tests.support.raw import DAY, DEVICE, HOUR, NOW, click, envelope, event, impression, write_log

SC3 = {"click_id": "c1"}
EMAIL = {"hashed_email": "ab" * 32}
LONG_AGENT = {"client_ip": "2001:DB8:0::7", "client_user_agent": "x" * 600}


def candidates(
    folder: Path,
    impressions: list[dict[str, Any]],
    *,
    policy: Policy | None = None,
    **fields: Any,  # noqa: ANN401  any field of an event
) -> list[tuple[str, str, str]]:
    """Return id, type and matched_on of the candidates of one event, best position last."""
    write_log(folder, events=[envelope(event(**fields))], impressions=impressions)
    rows = replay_oracle(folder, policy or Policy())["credits"]
    return [(row["impression_id"], row["type"], row["matched_on"]) for row in rows]


def winner(
    folder: Path,
    impressions: list[dict[str, Any]],
    **fields: Any,  # noqa: ANN401  any field of an event
) -> str:
    """Return the impression that last touch pays for one event."""
    write_log(folder, events=[envelope(event(**fields))], impressions=impressions)
    rows = replay_oracle(folder, Policy())["credits"]
    (paid,) = [row["impression_id"] for row in rows if row["last_touch"]]
    return str(paid)


@pytest.mark.parametrize(
    ("kind", "user_match", "window"),
    [
        ("impression", EMAIL, DAY),
        ("click", EMAIL, 30 * DAY),
        ("impression", SC3, 30 * DAY),
        ("click", SC3, 30 * DAY),
        ("impression", DEVICE, DAY),
        ("click", DEVICE, DAY),
    ],
    ids=["view", "click", "view by click id", "click by click id", "view by ip", "click by ip"],
)
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_windows_are_half_open(
    tmp_path: Path, kind: str, user_match: dict[str, str], window: int, beyond: int
) -> None:
    """Take a record until just before its window ends."""
    shown = impression(type=kind, time=NOW - window - beyond, user_match=user_match)
    found = candidates(tmp_path, [shown], user_match=user_match)
    assert len(found) == int(beyond < 0)


@pytest.mark.parametrize(("after", "count"), [(-1, 1), (0, 1), (1, 0)])
def test_a_touchpoint_is_never_later_than_its_event(tmp_path: Path, after: int, count: int) -> None:
    """Take a record of the very instant, none of a microsecond later."""
    assert len(candidates(tmp_path, [click(time=NOW + after)])) == count


@pytest.mark.parametrize(("after", "count"), [(-1, 1), (0, 0), (1, 0)])
def test_settle_delay(tmp_path: Path, after: int, count: int) -> None:
    """Take what arrived less than an hour after the event."""
    assert len(candidates(tmp_path, [click(received_at=NOW + HOUR + after)])) == count


@pytest.mark.parametrize(
    ("shown", "event_type", "count"),
    [
        (click(time=NOW - 2 * DAY), "purchase", 0),
        (click(time=NOW - 2 * DAY + 1), "purchase", 1),
        (impression(time=NOW - 3 * DAY + 1), "purchase", 1),
        (impression(time=NOW - 3 * DAY), "purchase", 0),
        (click(time=NOW - 2 * DAY), "lead", 1),
        (impression(time=NOW - DAY), "lead", 0),
    ],
)
def test_windows_per_event_type(
    tmp_path: Path, shown: dict[str, Any], event_type: str, count: int
) -> None:
    """Use the type's own windows where it has them, else the default."""
    policy = Policy(windows={"purchase": Windows(post_click=2 * DAY, post_view=3 * DAY)})
    assert len(candidates(tmp_path, [shown], policy=policy, event_type=event_type)) == count


@pytest.mark.parametrize(
    ("post_view", "time", "count"),
    [(2 * DAY, NOW - DAY, 0), (2 * DAY, NOW - DAY + 1, 1), (HOUR, NOW - HOUR, 0)],
)
def test_ip_ua_only_ever_shortens_a_window(
    tmp_path: Path, post_view: int, time: int, count: int
) -> None:
    """Cap the window at 24 hours; a shorter one stays."""
    policy = Policy(post_view=post_view)
    shown = impression(time=time, user_match=DEVICE)
    assert len(candidates(tmp_path, [shown], policy=policy, user_match=DEVICE)) == count


def test_each_key_has_its_own_window(tmp_path: Path) -> None:
    """Match an old impression by its click id, not by the uid whose window has passed."""
    both = {"uids": [{"type": "uid2", "value": "u1"}], "click_id": "c1"}
    old = impression(time=NOW - 2 * DAY, user_match=both)
    policy = Policy(match_keys=("uid2", "click"))
    found = candidates(tmp_path, [old], policy=policy, user_match=both)
    assert found == [("i1", "click", "click")]


@pytest.mark.parametrize(
    ("shown", "converted", "count"),
    [
        (SC3, {"click_id": "c1", "click_id_type": "SC3CLID"}, 1),
        (SC3, {"click_id": "c1", "click_id_type": "gclid"}, 0),
        (
            {"click_id": "AbCd", "click_id_type": "fbclid"},
            {"click_id": "fb.1.1700000000.AbCd", "click_id_type": "FBCLID"},
            1,
        ),
        (
            {"click_id": "AbCd", "click_id_type": "fbclid"},
            {"click_id": "fb.1.1700000000.AbCd.AQICAQIB", "click_id_type": "_fbc"},
            1,
        ),
        ({"click_id": "null"}, {"click_id": "null"}, 0),
        (
            {"client_ip": "192.0.2.7", "client_user_agent": "B"},
            {"client_ip": "::ffff:c000:207", "client_user_agent": "B"},
            1,
        ),
        (EMAIL, {"uids": [{"type": "hashed_email", "value": "ab" * 32}]}, 1),
        (EMAIL, {"hashed_phone": "ab" * 32}, 0),
        (
            {"uids": [{"type": "MAID", "value": "AA-1"}]},
            {"uids": [{"type": "maid", "value": "aa-1"}]},
            1,
        ),
        (
            {"uids": [{"type": "uid2", "value": "AA-1"}]},
            {"uids": [{"type": "uid2", "value": "aa-1"}]},
            0,
        ),
        (
            {"uids": [{"type": "uid2", "value": "1"}]},
            {"uids": [{"type": "euid", "value": "1"}]},
            0,
        ),
        (LONG_AGENT, {"client_ip": "2001:db8::7", "client_user_agent": "x" * 512}, 1),
        (DEVICE, DEVICE | {"client_ip": "192.0.2.8"}, 0),
        (
            {"uids": [{"type": "maid", "value": "00000000-0000-0000-0000-000000000000"}]},
            {"uids": [{"type": "maid", "value": "00000000-0000-0000-0000-000000000000"}]},
            0,
        ),
    ],
)
def test_match_keys(
    tmp_path: Path, shown: dict[str, Any], converted: dict[str, Any], count: int
) -> None:
    """Match equal kinds and equal normalised values only."""
    assert len(candidates(tmp_path, [click(user_match=shown)], user_match=converted)) == count


def test_kinds_the_policy_leaves_out_match_nothing(tmp_path: Path) -> None:
    """Treat an event that carries no other kind as one without identifier."""
    write_log(tmp_path, events=[envelope(event(user_match=EMAIL))], impressions=[click()])
    (row,) = replay_oracle(tmp_path, Policy(match_keys=("click", "uid2")))["conversions"]
    assert (row["reason"], row["carries"]) == ("no_identifier", ["hashed_email"])


def test_advertisers_are_kept_apart(tmp_path: Path) -> None:
    """Leave another advertiser's click alone, even one of the same impression id."""
    impressions = [click(advertiser_id="other"), impression(time=NOW - 2 * HOUR)]
    assert candidates(tmp_path, impressions) == [("i1", "impression", "uid2")]


def test_records_of_one_impression_are_one_touchpoint(tmp_path: Path) -> None:
    """Take the strongest key, and time and ad of the first click record."""
    both = EMAIL | DEVICE
    impressions = [
        impression(time=NOW - 5 * HOUR, user_match=both, campaign_id="shown"),
        click(time=NOW - 2 * HOUR, user_match=DEVICE, campaign_id="second"),
        click(time=NOW - 3 * HOUR, user_match=DEVICE, campaign_id="tied"),
        click(time=NOW - 3 * HOUR, user_match=DEVICE, campaign_id="tied later"),
    ]
    write_log(tmp_path, events=[envelope(event(user_match=both))], impressions=impressions)
    tables = replay_oracle(tmp_path, Policy())
    assert [
        (row["type"], row["matched_on"], row["is_probabilistic"], row["campaign_id"])
        for row in tables["credits"]
    ] == [("click", "hashed_email", False, "tied")]
    assert tables["conversions"][0]["seconds_to_convert"] == 3 * 3600.0


def test_only_eligible_records_make_a_touchpoint(tmp_path: Path) -> None:
    """Ignore the click of an impression when the click itself is not eligible."""
    late = click(time=NOW - HOUR, received_at=NOW + HOUR)
    impressions = [impression(time=NOW - 2 * HOUR), late]
    assert candidates(tmp_path, impressions) == [("i1", "impression", "uid2")]


def test_an_impression_by_click_id_counts_as_a_click(tmp_path: Path) -> None:
    """Keep the impression's own time and ad."""
    both = EMAIL | SC3
    shown = impression(time=NOW - 2 * DAY, user_match=both)
    assert candidates(tmp_path, [shown], user_match=both) == [("i1", "click", "click")]
    (conversion,) = replay_oracle(tmp_path, Policy())["conversions"]
    assert (conversion["touch_type"], conversion["seconds_to_convert"]) == ("click", 172800.0)


@pytest.mark.parametrize(
    ("impressions", "best"),
    [
        (
            [
                click("i1", time=NOW - 2 * HOUR),
                impression("i2", time=NOW - HOUR),
            ],
            "i1",
        ),
        (
            [
                click("i1", time=NOW - 2 * HOUR, user_match=DEVICE),
                impression("i2", time=NOW - HOUR),
            ],
            "i1",
        ),
        (
            [
                click("i1", time=NOW - 2 * HOUR),
                click("i2", time=NOW - HOUR, user_match=DEVICE),
            ],
            "i1",
        ),
        (
            [
                impression("i1", time=NOW - 2 * HOUR),
                impression("i2", time=NOW - HOUR, user_match=DEVICE),
            ],
            "i1",
        ),
        ([click("i1", time=NOW - HOUR - 1), click("i2", time=NOW - HOUR)], "i2"),
        ([click("i2"), click("i10"), click("i1")], "i1"),
    ],
    ids=[
        "click before view",
        "even a probabilistic click",
        "deterministic click before probabilistic",
        "deterministic view before probabilistic",
        "latest",
        "smallest id",
    ],
)
def test_rank(tmp_path: Path, impressions: list[dict[str, Any]], best: str) -> None:
    """Rank by click, certainty, time and id, in this order; key strength does not rank."""
    user = DEVICE | {"uids": [{"type": "uid2", "value": "u1"}]}
    assert winner(tmp_path, impressions, user_match=user) == best


def test_the_winner_names_the_conversion(tmp_path: Path) -> None:
    """Count a probabilistic view as both."""
    shown = impression(time=NOW - 1_500_000, user_match=DEVICE)
    write_log(tmp_path, events=[envelope(event(user_match=DEVICE))], impressions=[shown])
    tables = replay_oracle(tmp_path, Policy())
    columns = ("matched_on", "touch_type", "is_probabilistic", "seconds_to_convert")
    assert [tables["conversions"][0][column] for column in columns] == ["ip_ua", "view", True, 1.5]
    counters = ("click_through", "view_through", "probabilistic", "matched_on")
    assert [tables["match_stats"][0][name] for name in counters] == [0, 1, 1, {"ip_ua": 1}]


@pytest.mark.parametrize(("count", "limited"), [(2, 0), (3, 1)])
def test_the_limit_per_key_keeps_the_latest(tmp_path: Path, count: int, limited: int) -> None:
    """Drop the oldest of a key, though it was a click; ties go by id."""
    shown = [click("i0"), impression("i1"), impression("i2")][-count:]
    write_log(tmp_path, events=[envelope(event())], impressions=shown)
    tables = replay_oracle(tmp_path, Policy(max_candidates=2))
    assert [row["impression_id"] for row in tables["credits"]] == ["i1", "i2"]
    assert tables["match_stats"][0]["limited"] == limited


def test_the_limit_of_a_path_keeps_the_best_ranked(tmp_path: Path) -> None:
    """Cut by rank after merging, and count positions and shares after the cut."""
    user = EMAIL | {"uids": [{"type": "uid2", "value": "u1"}]}
    shown = [
        impression("i1", time=NOW - 1),
        impression("i2", time=NOW - 2),
        click("i3", time=NOW - 3, user_match=EMAIL),
        click("i4", time=NOW - 4, user_match=EMAIL),
    ]
    write_log(tmp_path, events=[envelope(event(user_match=user))], impressions=shown)
    tables = replay_oracle(tmp_path, Policy(max_candidates=2))
    assert [
        (row["impression_id"], row["position"], row["path_length"], str(row["linear"]))
        for row in tables["credits"]
    ] == [("i4", 1, 2, "0.500000000"), ("i3", 2, 2, "0.500000000")]
    assert tables["match_stats"][0]["limited"] == 1


def test_repeats_of_a_record_change_no_credit(tmp_path: Path) -> None:
    """Merge copies by impression, whatever the dedup window says."""
    shown = click(received_at=0)
    copy = click(received_at=NOW)
    assert candidates(tmp_path, [shown, copy]) == [("i1", "click", "uid2")]
