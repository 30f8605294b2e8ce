"""MATCH with literal records: eligibility on its edges, expiry, and the limit per key."""

from typing import Any

import pyarrow as pa
import pytest

from attribution.columnar.columns import pick, values
from attribution.lookup import RECORD, sort_key
from attribution.match import Found, Match
from attribution.policy import Policy
from attribution.vocabulary import EVENT_TYPES, KIND_CODES

HOUR = 3_600_000_000
DAY = 24 * HOUR
NOW = 1_777_622_400_000_000
POLICY = Policy(post_click=10 * DAY, post_view=2 * DAY, probabilistic_window=DAY, settle_delay=HOUR)
_TYPES = {"kind": pa.uint8(), "key_high": pa.uint64(), "key_low": pa.uint64()}
_NAMES = ("source_partition", "campaign_id", "media_buy_id", "package_id", "creative_id")


def record(name: str = "i", **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any column
    """Make a record of key (7, 7), an hour before NOW."""
    defaults = {
        "key_high": 7 << 40,
        "key_low": 7,
        "kind": KIND_CODES["uid2"],
        "time": NOW - HOUR,
        "received_at": NOW - HOUR,
        "is_click": False,
        "impression_id": name,
        "source_partition": "p",
        "source_offset": 0,
        "campaign_id": "c",
    }
    return defaults | fields


def records(*given: dict[str, Any]) -> pa.RecordBatch:
    columns = {}
    for name in RECORD:
        column = pa.array([row.get(name) for row in given], _TYPES.get(name))
        if name in _NAMES:
            column = column.cast(pa.string()).dictionary_encode()
        columns[name] = column
    batch = pa.RecordBatch.from_pydict(columns)
    word = sort_key(values(batch, "key_high"), values(batch, "time"))
    batch = pa.RecordBatch.from_pydict({"key": pa.array(word), **columns})
    return pick(batch, word.argsort())


def query(conversion: int = 1, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  any column
    """Ask for key (7, 7) on behalf of a purchase that happens and arrives NOW."""
    defaults = {
        "key_high": 7 << 40,
        "key_low": 7,
        "kind": KIND_CODES["uid2"],
        "event_type": EVENT_TYPES.index("purchase"),
        "event_time": NOW,
        "received_at": NOW,
        "conversion_high": conversion,
        "conversion_low": conversion,
    }
    return defaults | fields


def queries(*given: dict[str, Any]) -> pa.RecordBatch:
    types = _TYPES | dict.fromkeys(("conversion_high", "conversion_low"), pa.uint64())
    types["event_type"] = pa.uint8()
    return pa.RecordBatch.from_pydict(
        {name: pa.array([row[name] for row in given], types.get(name)) for name in given[0]}
    )


def found(
    *asked: dict[str, Any],
    views: tuple[dict[str, Any], ...] = (),
    clicks: tuple[dict[str, Any], ...] = (),
    policy: Policy = POLICY,
) -> list[tuple[int, str, bool]]:
    """Index the records, ask, and give (conversion, impression, whether a limit was hit)."""
    match = Match(policy)
    if views:
        match.insert(records(*views), as_click=False)
    if clicks:
        match.insert(records(*clicks), as_click=True)
    match.receive(queries(*asked))
    return told(match.advance(NOW + 365 * DAY))


def told(answers: Found | None) -> list[tuple[int, str, bool]]:
    rows = answers and answers.final
    if not rows:
        return []
    names = ("conversion_high", "impression_id", "limited")
    return sorted(zip(*(rows[name].to_pylist() for name in names), strict=True))


@pytest.mark.parametrize(
    ("kind", "as_click", "window"),
    [
        ("uid2", True, 10 * DAY),
        ("uid2", False, 2 * DAY),
        ("click", True, 10 * DAY),
        ("ip_ua", True, DAY),
        ("ip_ua", False, DAY),
    ],
)
def test_windows_are_half_open(kind: str, *, as_click: bool, window: int) -> None:
    code = KIND_CODES[kind]
    ages = {"future": -1, "same": 0, "last": window - 1, "past": window}
    given = tuple(record(name, time=NOW - age, kind=code) for name, age in ages.items())
    clicks, views = (given, ()) if as_click else ((), given)
    assert found(query(kind=code), clicks=clicks, views=views) == [
        (1, "last", False),
        (1, "same", False),
    ]


def test_windows_of_the_event_type() -> None:
    policy = Policy(windows={"lead": {"post_view": "1h", "post_click": "2h"}})
    lead = EVENT_TYPES.index("lead")
    given = (record("a", time=NOW - HOUR), record("b", time=NOW - HOUR + 1))
    assert found(query(event_type=lead), views=given, policy=policy) == [(1, "b", False)]
    assert len(found(query(event_type=lead), clicks=given, policy=policy)) == 2
    assert len(found(query(), views=given, policy=policy)) == 2


def test_what_arrives_when_the_conversion_has_settled_is_too_late() -> None:
    given = tuple(record(f"{more}", received_at=NOW + HOUR + more) for more in (-1, 0))
    assert found(query(), views=given) == [(1, "-1", False)]


def test_both_halves_of_the_key_must_agree() -> None:
    near = (7 << 40) + 1  # the same word to sort by, another key
    given = (record("a", key_low=8), record("b", key_high=near), record("c"))
    assert found(query(), views=given) == [(1, "c", False)]


def test_far_away_times_share_the_ends_of_the_sort_key() -> None:
    policy = Policy(post_view="9999d")
    given = (record("1970", time=0), record("2099", time=NOW + 73 * 365 * DAY), record("now"))
    late = query(2, event_time=NOW + 80 * 365 * DAY)
    assert found(query(), late, views=given, policy=policy) == [
        (1, "now", False),
        (2, "2099", False),
    ]


@pytest.mark.parametrize("runs", [1, 2, 5])
def test_the_latest_records_of_a_key_count(runs: int) -> None:
    match = Match(Policy(max_candidates=2))
    given = [record(name, time=NOW - age) for name, age in (("b", 1), ("a", 1), ("c", 1), ("z", 2))]
    for start in range(runs):
        if part := given[start::runs]:
            match.insert(records(*part), as_click=False)
    match.receive(queries(query(), query(2, event_time=NOW - 2)))
    assert told(match.advance(NOW + DAY)) == [(1, "b", True), (1, "c", True), (2, "z", False)]


def test_conversions_wait_until_they_have_settled() -> None:
    match = Match(POLICY)
    match.insert(records(record()), as_click=False)
    match.receive(queries(query(1), query(2, received_at=NOW + 5)))
    assert told(match.advance(NOW + HOUR)) == []
    assert told(match.advance(NOW + HOUR + 1)) == [(1, "i", False)]
    assert told(match.advance(NOW + HOUR + 6)) == [(2, "i", False)]


def test_views_are_forgotten_before_clicks() -> None:
    match = Match(POLICY)
    match.insert(records(record(time=NOW)), as_click=False)
    match.insert(records(record(time=NOW)), as_click=True)
    kept = []
    for days in (0, 9, 10, 17, 18):
        match.advance(NOW + days * DAY + HOUR)
        kept.append((days, len(match.views.runs), len(match.clicks.runs)))
    assert kept == [(0, 1, 1), (9, 0, 1), (10, 0, 1), (17, 0, 0), (18, 0, 0)]


def test_live_a_conversion_is_answered_on_arrival_and_again_when_it_has_settled() -> None:
    match = Match(POLICY, provisional=True)
    match.insert(records(record("early")), as_click=False)
    match.receive(queries(query()))
    on_arrival = match.advance(NOW + 1)
    assert on_arrival is not None
    assert on_arrival.final is None
    assert told(Found(on_arrival.provisional, None)) == [(1, "early", False)]
    match.insert(records(record("late", received_at=NOW + 2)), as_click=False)
    settled = match.advance(NOW + HOUR + 1)
    assert settled is not None
    assert settled.provisional is None
    assert told(settled) == [(1, "early", False), (1, "late", False)]


def test_a_snapshot_holds_all_that_answers_need() -> None:
    match = Match(POLICY, provisional=True)
    match.insert(records(record("view")), as_click=False)
    match.insert(records(record("click")), as_click=True)
    match.receive(queries(query(1), query(2, received_at=NOW + 5)))
    match.advance(NOW + 1)
    resumed = Match(POLICY, provisional=True)
    resumed.restore(match.state, NOW + 1)
    for watermark in (NOW + 10, NOW + HOUR + 1, NOW + HOUR + 6):
        answers, again = match.advance(watermark), resumed.advance(watermark)
        assert answers == again
        assert answers is not None
