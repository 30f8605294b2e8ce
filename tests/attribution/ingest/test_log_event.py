"""A call judged as a whole: what is refused, warned of and counted."""

from typing import Any

import pytest

from attribution.contract.envelope import judge_envelope
from attribution.contract.verdicts import Envelope
from attribution.ingest.log_event import CallVerdict, PartialFailure, judge_call
from attribution.policy import Policy
from attribution.registry import SourceVersion
from attribution.vocabulary import Warn
from tests.support import raw

NOW = int(raw.START.timestamp()) * 1_000_000


def judged(*events: object, source: dict[str, Any] | None = None, **fields: Any) -> CallVerdict:  # noqa: ANN401  any field
    envelope = judge_envelope(raw.envelope(*events, **fields))
    assert isinstance(envelope, Envelope)
    version = SourceVersion(
        advertiser_id="adv", event_source_id="src", name="src", **(source or {})
    )
    return judge_call(envelope, version, Policy(), received_at=NOW)


def test_a_sound_call_is_processed_whole() -> None:
    verdict = judged(raw.event("e1"), raw.event("e1"))
    assert (verdict.received, verdict.processed, verdict.failures) == (2, 2, ())
    assert verdict.match_quality == 0.9, "uid2"
    assert not verdict.is_test


def test_a_refused_event_is_named_with_its_place_and_the_others_stay() -> None:
    verdict = judged(
        raw.event("e1"),
        raw.event("e2", custom_data={"value": 1}),
        None,
        raw.event("e4", event_type="no such type"),
    )
    assert (verdict.received, verdict.processed) == (4, 1)
    assert [(each.event_id, each.code) for each in verdict.failures] == [
        ("e2", "CURRENCY_REQUIRED"),
        ("event_2", "INVALID_REQUEST"),
        ("e4", "INVALID_EVENT_TYPE"),
    ]
    assert [each.message.rpartition("(at ")[2] for each in verdict.failures] == [
        "/events/1/custom_data/currency)",
        "/events/2)",
        "/events/3/event_type)",
    ]


@pytest.mark.parametrize(
    ("source", "event", "code"),
    [
        ({"event_types": frozenset({"lead"})}, {}, "INVALID_EVENT_TYPE"),
        (
            {"allowed_domains": ("example.com",)},
            {"event_source_url": "https://example.org/a"},
            "DOMAIN_NOT_ALLOWED",
        ),
        (
            {"value_currencies": frozenset({"EUR"})},
            {"custom_data": {"value": 1, "currency": "USD"}},
            "CURRENCY_NOT_ALLOWED",
        ),
    ],
)
def test_the_rules_of_its_source_hold(
    source: dict[str, Any], event: dict[str, Any], code: str
) -> None:
    (failure,) = judged(raw.event(**event), source=source).failures
    assert isinstance(failure, PartialFailure)
    assert failure.code == code


def test_warnings_count_events_and_quality_is_a_mean() -> None:
    verdict = judged(raw.event("e1"), raw.event("e2", user_match=None), raw.event("e3"))
    assert verdict.warnings[Warn.MISSING_USER_MATCH] == 1
    assert verdict.match_quality == 0.6


def test_without_an_accepted_event_quality_is_0() -> None:
    assert judged(None).match_quality == 0.0


@pytest.mark.parametrize(
    ("fields", "source"), [({"test_event_code": "T1"}, {}), ({}, {"test_event_code": "T1"})]
)
def test_a_test_call_says_so(fields: dict[str, Any], source: dict[str, Any]) -> None:
    assert judged(raw.event(), source=source, **fields).is_test


def test_an_event_of_the_future_is_warned_of() -> None:
    verdict = judged(raw.event(event_time="2099-01-01T00:00:00Z"))
    assert verdict.warnings == {Warn.EVENT_TIME_IN_FUTURE: 1}
