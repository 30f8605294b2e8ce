"""The oracle against hand-computed cases: reading the log, dedup, outcomes and counts."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from attribution.policy import Policy
from tests.oracle import replay_oracle
from tests.support.raw import (
    DAY,
    DEVICE,
    HOUR,
    NOW,
    SECOND,
    START,
    UID2,
    Document,
    Stream,
    click,
    envelope,
    event,
    impression,
    moment,
    since_epoch,
    source,
    write_log,
)

Tables = dict[str, list[dict[str, Any]]]

SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def pick(rows: Sequence[dict[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    """Return some columns of the rows."""
    return [tuple(row[column] for column in columns) for row in rows]


def md5(text: str) -> str:
    """Hash as conversion ids are hashed."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def outcomes(folder: Path, *, events: Stream, impressions: Stream = ()) -> list[tuple[Any, ...]]:
    """Replay under the default policy, and say what became of each conversion."""
    tables = replay_oracle(write_log(folder, events=events, impressions=impressions), Policy())
    return pick(tables["conversions"], "event_id", "outcome", "reason")


def test_one_purchase_after_one_click(tmp_path: Path) -> None:
    """Compare every column of every table."""
    purchase = event(
        action_source="website",
        event_source_url="https://Shop.Example/done",
        custom_data={
            "value": 89.99,
            "currency": "USD",
            "order_id": "o1",
            "num_items": 2,
            "content_ids": ["sku1"],
        },
    )
    clicked = click(
        time=NOW - 90 * SECOND,
        media_buy_id="buy",
        package_id="pkg",
        creative_id="crt",
        price=0.25,
        currency="EUR",
    )
    folder = write_log(tmp_path, events=[envelope(purchase)], impressions=[clicked])
    conversion_id = md5(f"{since_epoch(NOW)}|0|0|13:events.ndjson|3:adv|3:src|8:purchase|e1")
    assert replay_oracle(folder, Policy()) == {
        "conversions": [
            {
                "conversion_id": conversion_id,
                "advertiser_id": "adv",
                "event_source_id": "src",
                "event_type": "purchase",
                "custom_event_name": None,
                "event_id": "e1",
                "event_time": moment(NOW),
                "received_at": moment(NOW),
                "action_source": "website",
                "event_source_host": "shop.example",
                "value": Decimal("89.99"),
                "currency": "USD",
                "order_id": "o1",
                "num_items": 2,
                "content_ids": ["sku1"],
                "custom_data": (
                    '{"value":89.99,"currency":"USD","order_id":"o1",'
                    '"num_items":2,"content_ids":["sku1"]}'
                ),
                "outcome": "attributed",
                "reason": None,
                "matched_on": "uid2",
                "touch_type": "click",
                "is_probabilistic": False,
                "seconds_to_convert": 90.0,
                "path_length": 1,
                "carries": ["uid2"],
                "match_quality": 0.9,
                "source_partition": "events.ndjson",
                "source_offset": 0,
                "source_index": 0,
            }
        ],
        "credits": [
            {
                "conversion_id": conversion_id,
                "advertiser_id": "adv",
                "event_time": moment(NOW),
                "impression_id": "i1",
                "time": moment(NOW - 90 * SECOND),
                "campaign_id": "cmp",
                "media_buy_id": "buy",
                "package_id": "pkg",
                "creative_id": "crt",
                "type": "click",
                "matched_on": "uid2",
                "is_probabilistic": False,
                "position": 1,
                "path_length": 1,
                "last_touch": 1,
                "first_touch": 1,
                "linear": 1,
                "time_decay": 1,
                "position_based": 1,
                "last_touch_value": Decimal("89.99"),
                "first_touch_value": Decimal("89.99"),
                "linear_value": Decimal("89.99"),
                "time_decay_value": Decimal("89.99"),
                "position_based_value": Decimal("89.99"),
                "currency": "USD",
            }
        ],
        "duplicates": [],
        "rejections": [],
        "test_events": [],
        "match_stats": [
            {
                "advertiser_id": "adv",
                "event_source_id": "src",
                "event_type": "purchase",
                "hour": moment(NOW),
                "received": 1,
                "test": 0,
                "rejected": 0,
                "duplicate": 0,
                "duplicate_changed": 0,
                "observed": 0,
                "attributed": 1,
                "unattributed": 0,
                "no_identifier": 0,
                "too_old": 0,
                "no_touchpoint": 0,
                "click_through": 1,
                "view_through": 0,
                "probabilistic": 0,
                "limited": 0,
                "carries": {"uid2": 1},
                "matched_on": {"uid2": 1},
                "dropped": {},
                "warnings": {},
                "quality_sum": Decimal("0.9"),
            }
        ],
        "touchpoint_stats": [
            {
                "advertiser_id": "adv",
                "campaign_id": "cmp",
                "media_buy_id": "buy",
                "package_id": "pkg",
                "creative_id": "crt",
                "type": "click",
                "hour": moment(NOW - HOUR),
                "currency": "EUR",
                "records": 1,
                "duplicates": 0,
                "spend": Decimal("0.25"),
            }
        ],
    }


def test_received_at_never_goes_back_within_a_file(tmp_path: Path) -> None:
    """Lift what is older than the file's maximum, or has no arrival at all."""
    late = {"advertiser_id": 7, "received_at": envelope(received_at=NOW + 5)["received_at"]}
    events: dict[str, list[Document]] = {
        "events-a.ndjson": [
            envelope(event("first", time=NOW - 9), event("b", time=NOW - 3), received_at=None),
            b"{broken",
            envelope(event("older"), received_at=NOW - HOUR),
            b"   ",
            late,
            envelope(event("missing"), received_at=None),
            envelope(event("later"), received_at=NOW + 6),
        ],
        "events-b.ndjson": [b"{broken", envelope(event("other"), received_at=NOW - DAY)],
    }
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(tables["conversions"], "event_id", "source_offset", "received_at") == [
        ("other", 1, moment(NOW - DAY)),
        ("first", 0, moment(NOW - 3)),
        ("b", 0, moment(NOW - 3)),
        ("older", 2, moment(NOW - 3)),
        ("missing", 5, moment(NOW + 5)),
        ("later", 6, moment(NOW + 6)),
    ]
    assert pick(
        tables["rejections"], "source_partition", "source_offset", "received_at", "events"
    ) == [
        ("events-a.ndjson", 1, moment(NOW - 3), 1),
        ("events-a.ndjson", 4, moment(NOW + 5), 1),
        ("events-b.ndjson", 0, None, 1),
    ]


def test_an_impression_without_arrival_arrives_at_its_time(tmp_path: Path) -> None:
    """Take the first record's own time, then the maximum."""
    impressions = [
        impression("i1", time=NOW + HOUR - 1, received_at=None),
        impression("i2", time=NOW - HOUR, received_at=None),
        impression("i3", time=NOW - HOUR, received_at=NOW + HOUR),
    ]
    folder = write_log(tmp_path, events=[envelope(event())], impressions=impressions)
    assert pick(replay_oracle(folder, Policy())["credits"], "impression_id") == [("i2",)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_partition_is_named_without_its_compression(tmp_path: Path, suffix: str) -> None:
    """Read every compression alike."""
    folder = write_log(
        tmp_path,
        events={f"events-1.ndjson{suffix}": [envelope(event())]},
        impressions={f"impressions-1.ndjson{suffix}": [impression()]},
    )
    assert pick(replay_oracle(folder, Policy())["conversions"], "source_partition", "outcome") == [
        ("events-1.ndjson", "attributed")
    ]


@pytest.mark.parametrize(
    ("copies_at", "unique_at"),
    [
        ([0, 7 * DAY - 1], [0]),
        ([0, 7 * DAY], [0, 7 * DAY]),
        ([0, 4 * DAY, 8 * DAY], [0, 8 * DAY]),
        ([0, 7 * DAY, 14 * DAY - 1, 14 * DAY], [0, 7 * DAY, 14 * DAY]),
    ],
    ids=["just inside", "on the edge", "anchored to the winner", "anchored to the next winner"],
)
def test_dedup_window(tmp_path: Path, copies_at: list[int], unique_at: list[int]) -> None:
    """Hold the key for seven days from the winner, half open."""
    events = [envelope(event(), received_at=NOW + after) for after in copies_at]
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(tables["conversions"], "received_at") == [(moment(NOW + at),) for at in unique_at]
    assert len(tables["duplicates"]) == len(copies_at) - len(unique_at)


def test_the_first_to_arrive_wins_whatever_the_file(tmp_path: Path) -> None:
    """Order copies by arrival, then file, line and place in the batch."""
    tied = envelope(event("tie"), event("tie"), received_at=NOW)
    other = envelope(event("other"), received_at=NOW)
    events = {
        "events-1.ndjson": [other, tied, envelope(event("e1"), received_at=NOW + 1)],
        "events-2.ndjson": [tied, envelope(event("e1"), received_at=NOW), tied],
    }
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(
        tables["conversions"], "event_id", "source_partition", "source_offset", "source_index"
    ) == [
        ("other", "events-1.ndjson", 0, 0),
        ("tie", "events-1.ndjson", 1, 0),
        ("e1", "events-2.ndjson", 1, 0),
    ]
    winner = md5(f"{since_epoch(NOW)}|1|0|15:events-1.ndjson|3:adv|3:src|8:purchase|tie")
    assert [row["conversion_id"] for row in tables["duplicates"]].count(winner) == 5


def test_dedup_scope(tmp_path: Path) -> None:
    """Keep apart what differs in advertiser, source or type."""
    events = [
        envelope(event(), event(event_type="lead")),
        envelope(event(), event_source_id="app"),
        envelope(event(), advertiser_id="other"),
    ]
    folder = write_log(tmp_path, events=events)
    tables = replay_oracle(folder, Policy(), allow_unregistered=True)
    assert len(tables["conversions"]) == 4
    assert tables["duplicates"] == []


@pytest.mark.parametrize(
    ("change", "is_changed"),
    [
        ({}, False),
        ({"ext": {"attempt": 2}}, False),
        ({"event_time": "2026-05-10T22:00:00.000-02:00"}, False),
        ({"custom_data": {"value": 1.50, "currency": "USD"}}, False),
        ({"custom_data": {"currency": "USD", "value": 1.5}}, True),
        ({"custom_data": {"value": 1.6, "currency": "USD"}}, True),
        ({"time": NOW - 1}, True),
        ({"action_source": "app"}, True),
        ({"event_source_url": "https://a.example/"}, True),
        ({"custom_event_name": "big"}, True),
        ({"user_match": DEVICE}, True),
        ({"user_match": {"uids": [{"type": "uid2", "value": "u2"}]}}, True),
        ({"user_match": UID2 | {"hashed_email": SHA256_OF_NOTHING}}, True),
    ],
)
def test_a_changed_copy_is_told(
    tmp_path: Path, change: dict[str, Any], *, is_changed: bool
) -> None:
    """Compare what was validated, not how it was written."""
    money = {"value": 1.5, "currency": "USD"}
    copy = event(**({"custom_data": money} | change))
    events = [envelope(event(custom_data=money), copy)]
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(tables["duplicates"], "event_id", "is_changed") == [("e1", is_changed)]
    assert pick(tables["match_stats"], "received", "duplicate", "duplicate_changed") == [
        (2, 1, int(is_changed))
    ]


def test_rejected_and_test_events_hold_no_key(tmp_path: Path) -> None:
    """Let the first good event win, and count the others as what they are."""
    events = [
        envelope(event(), event("e2", event_time="yesterday"), test_event_code="T1"),
        envelope(event(custom_data={"value": "dear"})),
        envelope(event()),
    ]
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(tables["conversions"], "source_offset") == [(2,)]
    assert tables["test_events"] == [
        {
            "advertiser_id": "adv",
            "event_source_id": "src",
            "event_type": "purchase",
            "event_id": event_id,
            "test_event_code": "T1",
            "received_at": moment(NOW),
            "code": code,
            "match_quality": quality,
            "warnings": None,
        }
        for event_id, code, quality in [("e1", None, 0.9), ("e2", "INVALID_EVENT_TIME", None)]
    ]
    assert pick(tables["rejections"], "source_offset", "source_index", "record_id", "code") == [
        (1, 0, "e1", "INVALID_CUSTOM_DATA")
    ]
    assert pick(
        tables["match_stats"], "received", "test", "rejected", "duplicate", "unattributed"
    ) == [(4, 2, 1, 0, 1)]


def test_refused_documents_count_their_events(tmp_path: Path) -> None:
    """Count an envelope as its events, an unreadable line as one, an empty batch as none."""
    events: list[Document] = [
        envelope(event("a"), event("b"), event_source_id="unknown"),
        envelope(
            event("a"), event("b"), event("c"), event_source_id="unknown", test_event_code="T"
        ),
        envelope(event("d"), advertiser_id=5),
        envelope(),
        b"\xef\xbb\xbf{}",
    ]
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(
        tables["rejections"], "source_offset", "source_index", "code", "field", "events"
    ) == [
        (0, None, "REFERENCE_NOT_FOUND", "event_source_id", 2),
        (2, None, "INVALID_REQUEST", "advertiser_id", 1),
        (3, None, "INVALID_REQUEST", "events", 0),
        (4, None, "INVALID_REQUEST", None, 1),
    ]
    assert pick(tables["test_events"], "event_source_id", "code") == [
        ("unknown", "REFERENCE_NOT_FOUND")
    ]
    stats = pick(
        tables["match_stats"], "advertiser_id", "event_source_id", "received", "rejected", "test"
    )
    assert sorted(stats, key=str) == [
        ("adv", "unknown", 5, 2, 3),
        (None, "src", 1, 1, 0),
        (None, None, 1, 1, 0),
    ]


def test_a_source_may_be_a_test_source(tmp_path: Path) -> None:
    """Take the source's code where the batch has none, and the batch's where it has one."""
    folder = write_log(
        tmp_path,
        events=[envelope(event("e1")), envelope(event("e2"), test_event_code="own")],
        sources=[source(test_event_code="default")],
    )
    tables = replay_oracle(folder, Policy())
    assert pick(tables["test_events"], "event_id", "test_event_code") == [
        ("e1", "default"),
        ("e2", "own"),
    ]


def test_unregistered_sources_may_be_let_in(tmp_path: Path) -> None:
    """Judge registered sources as ever, others without restrictions."""
    sources = [source(event_types=["lead"])]
    events = [envelope(event("e1")), envelope(event("e2"), event_source_id="new")]
    folder = write_log(tmp_path, events=events, sources=sources)
    tables = replay_oracle(folder, Policy(), allow_unregistered=True)
    assert pick(tables["conversions"], "event_id") == [("e2",)]
    assert pick(tables["rejections"], "record_id", "code") == [("e1", "INVALID_EVENT_TYPE")]


def test_refused_impressions_are_rejections_and_no_events(tmp_path: Path) -> None:
    """Name the place and the record; the event counters do not move."""
    impressions: list[Document] = [
        b"[]",
        impression("i9", type="view"),
        impression(advertiser_id=None),
    ]
    tables = replay_oracle(write_log(tmp_path, impressions=impressions), Policy())
    assert pick(
        tables["rejections"], "stream", "source_offset", "advertiser_id", "record_id", "code"
    ) == [
        ("impressions", 0, None, None, "INVALID_REQUEST"),
        ("impressions", 1, "adv", "i9", "INVALID_TYPE"),
        ("impressions", 2, None, "i1", "INVALID_REQUEST"),
    ]
    assert tables["match_stats"] == tables["touchpoint_stats"] == []


@pytest.mark.parametrize(
    ("fields", "outcome", "reason"),
    [
        ({}, "attributed", None),
        ({"event_type": "refund"}, "observed", None),
        ({"event_type": "remove_from_cart", "user_match": None}, "observed", None),
        ({"event_type": "disqualify_lead", "time": NOW - 30 * DAY}, "observed", None),
        ({"user_match": None}, "unattributed", "no_identifier"),
        ({"user_match": None, "time": NOW - 30 * DAY}, "unattributed", "no_identifier"),
        (
            {"user_match": {"uids": [{"type": "other", "value": "u1"}]}},
            "unattributed",
            "no_identifier",
        ),
        ({"user_match": {"hashed_email": SHA256_OF_NOTHING}}, "unattributed", "no_identifier"),
        ({"time": NOW - 7 * DAY}, "attributed", None),
        ({"time": NOW - 7 * DAY - 1}, "unattributed", "too_old"),
        ({"user_match": DEVICE}, "unattributed", "no_touchpoint"),
    ],
)
def test_outcomes(tmp_path: Path, fields: dict[str, Any], outcome: str, reason: str | None) -> None:
    """Return each conversion the first outcome, and the first reason, that holds."""
    clicks = [click(time=NOW - 8 * DAY, user_match=user) for user in USERS]
    assert outcomes(tmp_path, events=[envelope(event(**fields))], impressions=clicks) == [
        ("e1", outcome, reason)
    ]


USERS = [
    {"uids": [{"type": "uid2", "value": "u1"}]},
    {"uids": [{"type": "other", "value": "u1"}]},
    {"hashed_email": SHA256_OF_NOTHING},
]


def test_placeholders_are_carried_but_match_nothing(tmp_path: Path) -> None:
    """Count the identifier and its quality, with a warning."""
    user = {"hashed_email": SHA256_OF_NOTHING}
    folder = write_log(
        tmp_path,
        events=[envelope(event(user_match=user))],
        impressions=[click(user_match=user)],
    )
    tables = replay_oracle(folder, Policy())
    assert pick(tables["conversions"], "reason", "carries", "match_quality", "path_length") == [
        ("no_identifier", ["hashed_email"], 0.8, 0)
    ]
    assert pick(tables["match_stats"], "carries", "warnings") == [
        ({"hashed_email": 1}, {"placeholder_identifier": 1})
    ]


def test_observed_events_count_as_conversions_without_credit(tmp_path: Path) -> None:
    """Keep a refund, its value and its quality; leave the winner's columns empty."""
    refund = event(event_type="refund", custom_data={"value": -5, "currency": "USD"})
    folder = write_log(tmp_path, events=[envelope(refund)], impressions=[click()])
    tables = replay_oracle(folder, Policy())
    columns = ("value", "matched_on", "touch_type", "is_probabilistic", "seconds_to_convert")
    assert pick(tables["conversions"], *columns) == [(Decimal(5), None, None, None, None)]
    assert tables["credits"] == []
    assert pick(tables["match_stats"], "observed", "quality_sum", "warnings") == [
        (1, Decimal("0.9"), {"negative_value_normalised": 1})
    ]


def test_repairs_are_counted_per_field(tmp_path: Path) -> None:
    """Count drops without their place in a list, warnings once per event, over conversions."""
    user = {"uids": [{"type": "uid2"}, {"type": "uid2", "value": "u1"}, {"value": "x"}]}
    events = [
        envelope(event(user_match=user), event(user_match=user)),
        envelope(event("e2", time=NOW + DAY), event("e3", time=NOW + DAY + 1)),
    ]
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(tables["match_stats"], "received", "duplicate", "dropped", "warnings") == [
        (4, 1, {"user_match.uids": 2}, {"invalid_uid": 1, "event_time_in_future": 1})
    ]


def test_quality_weighs_each_kind_once(tmp_path: Path) -> None:
    """Order kinds by strength; ids the job does not know count for little."""
    user = DEVICE | {
        "click_id": "c1",
        "uids": [
            {"type": "cookie", "value": "1"},
            {"type": "maid", "value": "A-1"},
            {"type": "maid", "value": "B-2"},
        ],
    }
    policy = Policy(match_keys=("maid", "click"))
    folder = write_log(tmp_path, events=[envelope(event(user_match=user))])
    assert pick(replay_oracle(folder, policy)["conversions"], "carries", "match_quality") == [
        (["maid", "click", "ip_ua", "other_uid"], 0.9433)  # 1 - 0.3 * 0.3 * 0.7 * 0.9
    ]


def test_counts_are_kept_per_hour_of_arrival(tmp_path: Path) -> None:
    """Cut the hour from the effective arrival."""
    at = (NOW - 1, NOW, NOW + HOUR - 1, NOW + HOUR)
    events = [envelope(event(f"e{place}"), received_at=time) for place, time in enumerate(at)]
    tables = replay_oracle(write_log(tmp_path, events=events), Policy())
    assert pick(tables["match_stats"], "hour", "received") == [
        (moment(NOW - HOUR), 1),
        (moment(NOW), 2),
        (moment(NOW + HOUR), 1),
    ]


def test_impressions_are_counted_once(tmp_path: Path) -> None:
    """Count a repeat under its own ad and hour; a click is no repeat of its impression."""
    paid: dict[str, Any] = {"price": 0.1, "currency": "USD"}
    impressions = [
        impression(received_at=0, **paid),
        impression(received_at=7 * DAY - 1, campaign_id="moved", **paid),
        impression(received_at=7 * DAY, **paid),
        impression(received_at=7 * DAY, advertiser_id="other", **paid),
        click(received_at=7 * DAY),
    ]
    tables = replay_oracle(write_log(tmp_path, impressions=impressions), Policy())
    columns = ("advertiser_id", "campaign_id", "type", "currency", "records", "duplicates", "spend")
    assert sorted(pick(tables["touchpoint_stats"], *columns), key=str) == [
        ("adv", "cmp", "click", None, 1, 0, Decimal(0)),
        ("adv", "cmp", "impression", "USD", 2, 0, Decimal("0.2")),
        ("adv", "moved", "impression", "USD", 0, 1, Decimal(0)),
        ("other", "cmp", "impression", "USD", 1, 0, Decimal("0.1")),
    ]


def test_the_clock_of_these_tests(tmp_path: Path) -> None:
    """Anchor the helpers to a date one can read."""
    folder = write_log(tmp_path, events=[envelope(event())])
    (row,) = replay_oracle(folder, Policy())["conversions"]
    assert START.isoformat() == "2026-04-01T00:00:00+00:00"
    assert row["event_time"].isoformat() == "2026-05-11T00:00:00+00:00"
