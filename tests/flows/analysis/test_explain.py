"""Explanations, to the letter: the reader has nothing else to go by."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from attribution.policy import Policy
from connectors.verify.expected import create_log
from connectors.verify.near_misses import near_misses
from flows.analysis.explain.explain import UnknownEventError, explain
from flows.analysis.recorded import ResultError
from tests.support import raw
from tests.support.decoded import (
    CLICK_ID,
    DAY,
    DEVICE,
    HOUR,
    NOW,
    UID2,
    Row,
    click,
    event,
    impression,
    rejection,
    trial,
    write_log,
    write_result,
)

LOG: dict[str, list[Row]] = {
    "events": [
        event("sold", value=Decimal("12.5"), currency="EUR", keys=[UID2, DEVICE]),
        event("sold", source_offset=1, received_at=NOW + 1),
        event("alone", source_offset=2, keys=[]),
        event("late", source_offset=3, received_at=NOW + 8 * DAY),
        event("stranger", source_offset=4, keys=[("uid2", "u2")]),
        event("sent back", source_offset=5, event_type="refund"),
    ],
    "impressions": [
        impression("i1", campaign_id="spring"),
        impression("i0", campaign_id="spring"),
        impression("i2", time=NOW - 2 * HOUR, campaign_id="spring", keys=[DEVICE]),
        click("i3", time=NOW - 3 * HOUR, campaign_id="summer"),
    ],
    "rejections": [
        rejection("broken"),
        rejection("nameless", source_index=None, event_type=None, event_source_id=None),
    ],
    "tests": [trial("tried", code="INVALID_CURRENCY")],
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a result file whose log is nowhere to be found."""
    return write_result(tmp_path_factory.mktemp("explain") / "result.duckdb", LOG)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip(" ─")]


def columns(text: str) -> list[list[str]]:
    return [re.split(" {2,}", line) for line in lines(text)]


def test_attributed(result: Path) -> None:
    first, _ = explain(result, "sold").split("\n\n\n")
    summary, candidates, path, misses = first.split("\n\n")
    outcome = (
        "attributed to 4 touchpoints; the winner is the click i3 on uid2, 3:00:00 before the event"
    )
    assert columns(summary) == [
        ["purchase sold of adv/src"],
        ["happened", "2026-05-11 00:00:00Z"],
        ["received", "2026-05-11 00:00:00Z, events.ndjson line 0 event 0 (all from 0)"],
        ["worth", "12.500000 EUR"],
        ["carried", "uid2, ip_ua (match quality 0.93)"],
        ["outcome", outcome],
    ]
    times = {hour: f"2026-05-10 {hour}:00:00Z" for hour in (21, 22, 23)}
    same = "same time as the one above, larger impression id"
    probable = "ip_ua (probabilistic)"
    below = "probabilistic ranks below certain"
    assert columns(candidates) == [
        ["Candidates, best first"],
        ["rank", "impression", "touch", "matched on", "time", "before", "campaign", "rule"],
        ["1", "i3", "click", "uid2", times[21], "3:00:00", "summer", "the winner"],
        ["2", "i0", "view", "uid2", times[23], "1:00:00", "spring", "a view ranks below a click"],
        ["3", "i1", "view", "uid2", times[23], "1:00:00", "spring", same],
        ["4", "i2", "view", probable, times[22], "2:00:00", "spring", below],
    ]
    assert lines(path)[0] == "Path, earliest first: shares and what they earn in EUR"
    whole = "1.000000000 = 12.500000"
    assert columns(path)[2][:4] == ["1", "i3", whole, whole]
    assert misses == "Near misses: not known, for the log is not at missing"


LATE = (
    "unattributed, too_old: it arrived 8 days, 0:00:00 after it happened, more than max_event_delay"
)


@pytest.mark.parametrize(
    ("event_id", "outcome"),
    [
        ("alone", "unattributed, no_identifier: it carried nothing that can match"),
        ("late", LATE),
        (
            "stranger",
            "unattributed, no_touchpoint: no record that shares an identifier is eligible",
        ),
        ("sent back", "observed: a refund is kept and earns nothing"),
    ],
)
def test_not_attributed(result: Path, event_id: str, outcome: str) -> None:
    summary, misses = explain(result, event_id).split("\n\n")
    assert lines(summary)[-1] == f"outcome    {outcome}"
    assert misses == "Near misses: not known, for the log is not at missing"


def test_copies_are_explained_too(result: Path) -> None:
    _, copy = explain(result, "sold").split("\n\n\n")
    assert lines(copy) == [
        "purchase sold of adv/src",
        "received   2026-05-11 00:00:00.000001Z",
        "outcome    duplicate, different content; the copy received 2026-05-11 00:00:00Z counts",
    ]


def test_rejected(result: Path) -> None:
    assert lines(explain(result, "broken")) == [
        "purchase broken of adv/src",
        "received   2026-05-11 00:00:00Z, events.ndjson line 7 event 1 (all from 0)",
        "outcome    rejected, INVALID_EVENT_TIME: event_time is no time",
    ]
    assert lines(explain(result, "nameless"))[:2] == [
        "event nameless of adv/an unknown source",
        "received   2026-05-11 00:00:00Z, events.ndjson line 7 (all from 0)",
    ]


def test_test_event(result: Path) -> None:
    assert lines(explain(result, "tried"))[-1] == (
        "outcome    test, code TEST1; it would be refused with INVALID_CURRENCY"
    )


def test_unknown_event(result: Path) -> None:
    with pytest.raises(UnknownEventError, match="no event with id Sold"):
        explain(result, "Sold")


@pytest.mark.parametrize("event_id", ["", "  "])
def test_an_empty_id_is_refused(tmp_path: Path, event_id: str) -> None:
    with pytest.raises(UnknownEventError, match="the event id is empty"):
        explain(tmp_path / "result.duckdb", event_id)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="there is no result file"):
        explain(tmp_path / "none.duckdb", "sold")


def test_folder_that_was_named_must_be_there(result: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="the log is not at"):
        explain(result, "sold", tmp_path / "none")


# ------------------------------------------------------------------------------- near misses


def missed(
    *records: Row, of: Row | None = None, path: tuple[str, ...] = (), policy: Policy | None = None
) -> list[tuple[str, str, str, timedelta | None]]:
    with duckdb.connect() as connection:
        create_log(connection, policy or Policy())
        write_log(connection, events=[of or event()], impressions=records)
        found, total = near_misses(
            connection, partition="events.ndjson", line=0, index=0, path=path
        )
    assert total == len(found)
    return [(miss.impression_id, miss.kind, miss.rule, miss.missed_by) for miss in found]


def micros(count: int) -> timedelta:
    return timedelta(microseconds=count)


def test_rules_that_keep_a_record_out() -> None:
    assert missed(impression(time=NOW + 2)) == [("i1", "uid2", "after", micros(2))]
    assert missed(impression(time=NOW - DAY - 5)) == [("i1", "uid2", "window", micros(5))]
    assert missed(impression(time=NOW - DAY)) == [("i1", "uid2", "window", micros(0))]
    assert missed(click(time=NOW - DAY)) == [("i1", "uid2", "eligible", None)]
    late = impression(received_at=NOW + HOUR + 7)
    assert missed(late) == [("i1", "uid2", "late", micros(7))]
    unmatched = Policy(match_keys=("click",))
    assert missed(impression(), policy=unmatched) == [("i1", "uid2", "kind", None)]


def test_windows_of_kinds() -> None:
    shared = event(keys=[CLICK_ID, DEVICE])
    old = NOW - 2 * DAY
    assert missed(impression(time=old, keys=[CLICK_ID]), of=shared)[0][2] == "eligible"
    assert missed(click(time=old, keys=[DEVICE]), of=shared)[0][2:] == ("window", micros(DAY))


def test_what_is_in_the_path_is_no_miss() -> None:
    assert missed(impression(), path=("i1",)) == []
    after = click(time=NOW + 1)
    assert missed(impression(), after, path=("i1",)) == [("i1", "uid2", "after", micros(1))]


def test_strongest_kind_says_why_unless_another_is_eligible() -> None:
    both = event(keys=[UID2, DEVICE])
    assert missed(impression(time=NOW + 1, keys=[DEVICE, UID2]), of=both)[0][1] == "uid2"
    policy = Policy(match_keys=("ip_ua",))
    record = impression(keys=[DEVICE, UID2])
    assert missed(record, of=both, policy=policy) == [("i1", "ip_ua", "eligible", None)]


def test_other_advertisers_and_strangers_are_not_shown() -> None:
    assert missed(impression(advertiser_id="other"), impression(keys=[("uid2", "u2")])) == []


# --------------------------------------------------------------------------- with its own log


def test_near_misses_are_read_from_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    secret = {"uids": [{"type": "uid2", "value": "my-secret-id"}]}
    raw.write_log(
        folder,
        events=[raw.envelope(raw.event("sold", user_match=secret))],
        impressions=[
            raw.impression("seen", time=raw.NOW - raw.HOUR, user_match=secret),
            raw.impression("edge", time=raw.NOW - raw.DAY, user_match=secret),
            raw.impression("old", time=raw.NOW - raw.DAY - raw.SECOND, user_match=secret),
            raw.impression("next", time=raw.NOW + raw.SECOND, user_match=secret),
            raw.impression("tardy", received_at=raw.NOW + 3 * raw.HOUR, user_match=secret),
        ],
    )
    start = (event("sold"), impression("seen"))
    result = write_result(
        tmp_path / "result.duckdb",
        {"events": start[:1], "impressions": start[1:]},
        folder=folder,
    )
    text = explain(result, "sold")
    assert "my-secret-id" not in text
    title, _, *misses = lines(text.split("\n\n")[-1])
    assert title == "Near misses: records that share an identifier and earn nothing"
    assert [miss.split()[0] for miss in misses] == ["next", "tardy", "edge", "old"]
    assert [miss.split("cmp")[1].strip() for miss in misses] == [
        "it happened 0:00:01 after the event",
        "it arrived after the conversion had settled: 2:00:00 too late",
        "the event is outside its window of 1 day, 0:00:00: exactly on the edge, which is outside",
        "the event is outside its window of 1 day, 0:00:00: 0:00:01 too late",
    ]
