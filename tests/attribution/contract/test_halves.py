"""Half of a surrogate pair costs at most the event or the record that it is in."""

import pytest

from attribution.contract.envelope import judge_envelope
from attribution.contract.impression import judge_impression
from attribution.contract.verdicts import Envelope, ImpressionRecord, ImpressionRejection, Refusal
from tests.attribution.contract.builders import (
    EMAIL,
    POLICY,
    TIME,
    accept,
    envelope,
    impression,
    reject,
    repaired,
)

HALF = "\ud83d"
KEY = ("hashed_email", EMAIL)


def test_a_text_that_decides_nothing_is_read_with_a_warning() -> None:
    record = accept(custom_data={"content_name": f"Shoes {HALF}", f"k{HALF}": [{"n": "\udc00"}]})
    assert repaired(record) == (("invalid_unicode",), ())
    assert record.custom_data == '{"content_name":"Shoes \ufffd","k\ufffd":[{"n":"\ufffd"}]}'
    assert record.match_keys == {KEY}


def test_texts_of_columns_are_mended_too() -> None:
    data = {"order_id": f"o{HALF}", "content_ids": [f"c{HALF}"]}
    record = accept(custom_event_name=f"n{HALF}", custom_data=data)
    assert (record.custom_event_name, record.order_id, record.content_ids) == (
        "n\ufffd",
        "o\ufffd",
        ["c\ufffd"],
    )


def test_a_whole_pair_is_no_fault() -> None:
    assert repaired(accept(custom_event_name="\U0001f600")) == ((), ())


def test_an_event_whose_id_is_cut_is_refused_alone() -> None:
    assert reject(event_id=f"e{HALF}") == ("INVALID_EVENT_ID", "event_id")
    sound = {"event_id": "e", "event_type": "lead", "event_time": TIME}
    read = judge_envelope(envelope(events=[sound, sound | {"event_id": HALF}]))
    assert isinstance(read, Envelope)
    assert len(read.events) == 2


@pytest.mark.parametrize(
    ("block", "dropped", "warning"),
    [
        ({"uids": [{"type": "uid2", "value": HALF}]}, "user_match.uids[0]", "invalid_uid"),
        ({"uids": [{"type": HALF, "value": "v"}]}, "user_match.uids[0]", "invalid_uid"),
        ({"hashed_phone": HALF}, "user_match.hashed_phone", "malformed_hash"),
        ({"click_id": HALF}, "user_match.click_id", "invalid_click_id"),
        ({"client_ip": HALF}, "user_match.client_ip", "invalid_client_ip"),
        (
            {"client_user_agent": HALF},
            "user_match.client_user_agent",
            "insufficient_probabilistic_pair",
        ),
    ],
)
def test_an_identifier_that_is_cut_is_dropped(
    block: dict[str, object], dropped: str, warning: str
) -> None:
    record = accept(user_match={"hashed_email": EMAIL} | block)
    assert set(record.warnings) == {warning, "invalid_unicode"}
    assert record.dropped == (dropped,)
    assert record.match_keys == {KEY}
    shown = judge_impression(impression(user_match={"hashed_email": EMAIL} | block), policy=POLICY)
    assert isinstance(shown, ImpressionRecord)
    assert set(shown.warnings) == {warning, "invalid_unicode"}
    assert shown.match_keys == {KEY}


@pytest.mark.parametrize("name", ["advertiser_id", "impression_id", "campaign_id", "creative_id"])
def test_an_impression_whose_id_is_cut_is_refused(name: str) -> None:
    verdict = judge_impression(impression(**{name: f"i{HALF}"}), policy=POLICY)
    assert isinstance(verdict, ImpressionRejection)
    assert verdict.field == name


@pytest.mark.parametrize("name", ["advertiser_id", "event_source_id", "test_event_code"])
def test_an_envelope_whose_id_is_cut_is_refused(name: str) -> None:
    verdict = judge_envelope(envelope(**{name: f"i{HALF}"}))
    assert isinstance(verdict, Refusal)
    assert verdict.field == name


def test_where_a_frame_needs_no_text_a_half_in_it_costs_nothing() -> None:
    assert isinstance(judge_envelope(envelope(note=HALF)), Envelope)
