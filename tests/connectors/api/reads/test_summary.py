"""The summary of events over HTTP: hours and days, half-open, for whoever may know."""

from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator

from connectors.api.reads import summary
from connectors.api.reads.summary import COUNTS
from connectors.api.reads.summary_schemas import COUNTERS
from tests.connectors.api.conftest import Served
from tests.connectors.api.reads.conftest import headers, published
from tests.support import raw

THEN = {"start": raw.written(raw.NOW), "end": raw.written(raw.NOW + raw.HOUR)}


def ask(
    served: Served,
    params: dict[str, Any],
    advertiser: str = "adv",
    **more: Any,  # noqa: ANN401
) -> httpx.Response:
    path = f"/api/buyer/advertisers/{advertiser}/events/summary"
    return served.client.get(path, params=params, **more)


def nonzero(counts: dict[str, Any]) -> dict[str, Any]:
    return {name: count for name, count in counts.items() if count != 0}


def test_events_are_counted_by_hour_source_and_type(reading: Served) -> None:
    answer = ask(reading, THEN).json()
    assert (answer["start"], answer["end"], answer["granularity"]) == (*THEN.values(), "hour")
    told = {
        (each.pop("event_source_id"), each.pop("event_type")): nonzero(each)
        for each in answer["buckets"]
    }
    start = {"start": raw.written(raw.NOW)}
    attributed = {"received": 1, "accepted": 1, "attributed": 1, "click_through": 1}
    assert told == {
        ("app", "purchase"): start | attributed,
        ("src", "lead"): start | attributed,
        ("src", "purchase"): start
        | {"received": 7, "accepted": 3, "attributed": 1, "click_through": 1}
        | {"unattributed": 2, "no_identifier": 1, "no_touchpoint": 1}
        | {"duplicate": 2, "duplicate_changed": 1, "rejected": 1, "test": 1},
        ("src", "refund"): start | {"received": 1, "accepted": 1, "observed": 1},
    }
    totals = answer["totals"]
    assert totals.keys() == set(COUNTS)
    assert (
        totals["received"]
        == 10
        == sum(totals[name] for name in ("accepted", "duplicate", "rejected", "test", "in_flight"))
    )
    assert answer["as_of"]["commit"] == 1


def test_a_span_is_half_open_and_made_of_whole_hours(reading: Served) -> None:
    def received(start: int, end: int) -> int:
        params = {"start": raw.written(raw.NOW + start), "end": raw.written(raw.NOW + end)}
        return int(ask(reading, params).json()["totals"]["received"])

    assert received(0, raw.HOUR) == 10
    assert received(-raw.HOUR, 0) == 0
    assert received(raw.HOUR, 2 * raw.HOUR) == 0
    assert received(raw.MINUTE, 2 * raw.MINUTE) == 10, "the hours around it"
    offset = ask(reading, {"start": "2026-05-11T02:00:00+02:00", "end": THEN["end"]}).json()
    assert (offset["start"], offset["totals"]["received"]) == (THEN["start"], 10)


def test_days_are_those_of_utc(reading: Served) -> None:
    params = {"granularity": "day", "start": raw.written(raw.NOW + raw.HOUR), "end": THEN["end"]}
    answer = ask(reading, params).json()
    assert answer["start"] == raw.written(raw.NOW)
    assert answer["end"] == raw.written(raw.NOW + raw.DAY)
    assert {each["start"] for each in answer["buckets"]} == {raw.written(raw.NOW)}
    assert answer["totals"]["received"] == 10


def test_the_last_24_hours_are_the_default(reading: Served) -> None:
    answer = ask(reading, {}).json()
    assert answer["buckets"] == []
    assert nonzero(answer["totals"]) == {}
    assert answer["start"][13:] == answer["end"][13:] == ":00:00.000000Z"
    assert int(answer["end"][11:13]) == int(answer["start"][11:13])


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"start": "yesterday"}, "start"),
        ({"end": "2026-05-11T00:00:00"}, "end"),
        ({"start": THEN["end"], "end": THEN["start"]}, "start"),
        ({"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T01:00:00Z"}, "start"),
        ({"start": "0001-01-01T00:00:00Z"}, "start"),
        ({"end": "9999-12-31T23:59:59Z"}, "end"),
        ({"granularity": "minute"}, "granularity"),
        ({"eventType": "purchase"}, "eventType"),
    ],
)
def test_a_span_that_is_none_is_refused(
    reading: Served, params: dict[str, str], field: str
) -> None:
    answer = ask(reading, params)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, "VALIDATION_ERROR", field)


def test_so_many_buckets_are_shown_and_the_totals_count_all(
    reading: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = summary.SQL.replace(str(summary.BUCKETS_MAX), "2")
    monkeypatch.setattr(summary, "SQL", few)
    answer = ask(reading, THEN | {"start": raw.written(raw.NOW - raw.HOUR)}).json()
    assert (len(answer["buckets"]), answer["is_truncated"]) == (2, True)
    assert answer["totals"]["received"] == 10


def test_only_what_a_key_may_see_is_counted(reading: Served) -> None:
    def received(key: dict[str, str], **params: str) -> int:
        return int(ask(reading, THEN | params, headers=key).json()["totals"]["received"])

    assert received({}, event_source_id="app") == 1
    assert received({}, event_source_id="none") == 0
    app = headers(reading.keys, sources=["app"], rights=["read"])
    assert received(app) == 1
    assert received(app, event_source_id="src") == 0
    rival = headers(reading.keys, advertisers=["rival"], rights=["read"])
    foreign = ask(reading, THEN, headers=rival)
    absent = ask(reading, THEN, advertiser="nobody", headers=rival)
    assert (foreign.status_code, foreign.content) == (404, absent.content)
    assert ask(reading, THEN, advertiser="rival", headers=rival).json()["totals"]["received"] == 1
    writer = headers(reading.keys, rights=["write"])
    assert ask(reading, THEN, headers=writer).status_code == 403


def test_records_are_counted_as_the_published_api_does(reading: Served) -> None:
    hours = {"startHour": raw.written(raw.NOW - raw.HOUR), "endHour": THEN["end"]}
    answer = ask(reading, hours).json()
    Draft7Validator(COUNTERS).validate(answer)
    schema = published("scope3-v2/EventSummaryResponse.json")
    Draft7Validator(schema).validate(answer)
    before, then = raw.written(raw.NOW - raw.HOUR), raw.written(raw.NOW)
    entries = [tuple(each.values()) for each in answer["entries"]]
    assert entries == [
        (before, "click", 1),
        (before, "impression", 1),
        (then, "conversion", 6),
    ]
    assert answer["totalEventCount"] == 8
    clicks = ask(reading, hours | {"eventType": "click"}).json()
    assert (clicks["totalEventCount"], len(clicks["entries"])) == (1, 1)
    assert ask(reading, {"eventType": "mmp"}).json()["entries"] == []
    app = headers(reading.keys, sources=["app"], rights=["read"])
    assert ask(reading, hours, headers=app).status_code == 403, "impressions have no source"
