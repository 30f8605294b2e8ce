"""The shared accept/reject vectors, each run once or named with the reason why not.

The vectors speak of HTTP requests; here they go through the contract of the streams. They are kept
outside this repository, and where they are not at hand these tests are skipped: the tables in the
other files of this folder cover the same rules.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from attribution.contract.document import JsonObject, Unreadable, read_document
from attribution.contract.envelope import judge_envelope
from attribution.contract.event import judge_event
from attribution.contract.event_source import EventSource, judge_event_source
from attribution.contract.times import is_in_future
from attribution.contract.verdicts import Envelope, EventRecord, Refusal, Rejection
from attribution.registry import Registry, RegistryError, judge_source
from tests.attribution.contract.builders import (
    MICROSECONDS,
    POLICY,
    TIME,
    accept,
    envelope,
    repaired,
)

FILE: Final = Path(__file__).parents[4] / "shared" / "vectors" / "ingest.json"
needs_file = pytest.mark.skipif(not FILE.exists(), reason="the shared vectors are not at hand")

VECTORS: Final = json.loads(FILE.read_text(encoding="utf-8"))["vectors"] if FILE.exists() else []
BY_ID: Final = {vector["id"]: vector for vector in VECTORS}
LOG_EVENTS: Final = [vector["id"] for vector in VECTORS if vector["surface"] == "log_event"]

NULLS: Final = "HTTP refuses the null; on a stream null means absent"
DEVIATIONS: Final = {
    "E16": NULLS,
    "U02": NULLS,
    "C20": NULLS,
    "U10": "a placeholder hash is kept as carried, with one warning for all placeholders",
    "V56": "an event without a user_match is warned of that too",
}
"""Vectors of log_event whose literal expectation does not hold here; each has its own test."""

ENTRIES: Final = {
    "S12": "event_types",
    "S14": "event_types[0]",
    "S15": None,
    "S17": None,
    "S20": None,
    "S22": "value_currencies",
    "S24": None,
}
"""Vectors of one registry entry, and the field of the one issue; None where it is sound."""
BEHAVIOURS: Final = (
    "S10",
    *("B01", "B02", "B03", "B04", "B05", "B06"),
    *("B14", "B15", "B16", "B17", "B18", "B25", "B26", "B27"),
)

_SYNC: Final = "what a sync call answers and changes belongs to the ingest API"
_DEDUP: Final = "duplicates are decided by the dataflow, and tested there"
_KEYS: Final = "idempotency of requests belongs to the ingest API"
_HTTP: Final = "headers, credentials and rates belong to the ingest API"
LATER: Final = {
    **dict.fromkeys(("S02", "S04", "S05", "S07", "S09", "S19", "S25"), _SYNC),
    **dict.fromkeys(("B34", "B35", "B36", "B37"), _SYNC),
    **dict.fromkeys(("B07", "B08", "B09", "B11", "B12", "B13"), _DEDUP),
    "B10": "one conversion from two sources is decided per goal, which is not built yet",
    **dict.fromkeys(("B19", "B20", "B21", "B22", "B23", "B24"), _KEYS),
    **dict.fromkeys(("B28", "B29", "B30", "B31", "B32", "B33", "B38"), _HTTP),
}


@needs_file
def test_every_vector_is_run_or_named() -> None:
    named = [*LOG_EVENTS, *ENTRIES, *BEHAVIOURS, *LATER]
    assert len(named) == len(set(named))
    assert set(named) == set(BY_ID)
    assert set(DEVIATIONS) <= set(LOG_EVENTS)


def request(vector_id: str) -> JsonObject:
    """Read a vector's request as it would lie on the events stream."""
    stamped = {"advertiser_id": "adv-7", "received_at": TIME, **BY_ID[vector_id]["request"]}
    read = read_document(json.dumps(stamped).encode())
    assert isinstance(read, JsonObject)
    return read


def outcome(document: JsonObject) -> dict[str, Any]:
    """Judge a request of one event; the answer in the words of a vector's `expect`."""
    sound = judge_envelope(document)
    if isinstance(sound, Refusal):
        return {"outcome": "reject_request", "adcp_code": sound.code, "field": sound.field}
    verdict = judge_event(sound.events[0], policy=POLICY)
    if isinstance(verdict, Rejection):
        # An event that is no object has no field; its place is its position in the envelope.
        field = verdict.field or "events[0]"
        return {"outcome": "reject_event", "code": verdict.code, "field": field}
    warnings, dropped = repaired(verdict)
    if is_in_future(verdict.event_time, received_at=MICROSECONDS):
        warnings += ("event_time_in_future",)
    answer = {"warnings": list(warnings), "dropped": list(dropped)}
    return {"outcome": "accept"} | {key: found for key, found in answer.items() if found}


@needs_file
@pytest.mark.parametrize("vector_id", [name for name in LOG_EVENTS if name not in DEVIATIONS])
def test_a_request_is_judged_as_its_vector_says(vector_id: str) -> None:
    expected = BY_ID[vector_id]["expect"]
    http_only = {"http", "rest_code"}
    assert outcome(request(vector_id)) == {
        key: value for key, value in expected.items() if key not in http_only
    }


@needs_file
@pytest.mark.parametrize(
    ("vector_id", "warnings"),
    [
        ("E16", None),
        ("U02", ["missing_user_match"]),
        ("C20", None),
        ("U10", ["placeholder_identifier"]),
        ("V56", ["misplaced_field", "missing_user_match"]),
    ],
)
def test_a_deviation_is_accepted(vector_id: str, warnings: list[str] | None) -> None:
    answer = outcome(request(vector_id))
    assert (answer.pop("outcome"), answer.pop("warnings", None), answer) == ("accept", warnings, {})


@needs_file
def test_a_placeholder_hash_is_carried_without_a_key() -> None:
    sound = judge_envelope(request("U10"))
    assert isinstance(sound, Envelope)
    record = judge_event(sound.events[0], policy=POLICY)
    assert isinstance(record, EventRecord)
    assert record.carries == {"hashed_email"}
    assert record.match_keys == set()


@needs_file
def test_an_event_type_is_kept_as_sent_not_made_canonical() -> None:
    # The note of V16 wants subscribe in its place; the design keeps what was sent.
    sound = judge_envelope(request("V16"))
    assert isinstance(sound, Envelope)
    record = judge_event(sound.events[0], policy=POLICY)
    assert isinstance(record, EventRecord)
    assert record.event_type == "subscription"


@needs_file
@pytest.mark.parametrize("vector_id", ENTRIES)
def test_a_registry_entry_is_judged_as_its_vector_says(vector_id: str) -> None:
    field = ENTRIES[vector_id]
    assert (BY_ID[vector_id]["expect"]["outcome"] == "accept") == (field is None)
    [entry] = BY_ID[vector_id]["request"]["event_sources"]
    verdict = judge_event_source({"advertiser_id": "adv-7", **entry})
    if field is None:
        assert isinstance(verdict, EventSource)
    else:
        assert isinstance(verdict, tuple)
        assert [issue.field for issue in verdict] == [field]


def registry(**restrictions: object) -> Registry:
    entry = {"advertiser_id": "adv-7", "event_source_id": "shop", **restrictions}
    return Registry.from_documents([entry], allow_unregistered=False)


def judge_at_source(restrictions: dict[str, Any], **changes: object) -> EventRecord | Rejection:
    version = registry(**restrictions).lookup("adv-7", "shop", at=MICROSECONDS)
    assert version is not None
    return judge_source(version, accept(**changes))


def rejected(verdict: EventRecord | Rejection) -> tuple[str, str | None]:
    assert isinstance(verdict, Rejection)
    return verdict.code.value, verdict.field


def s10() -> bool:
    entry = {"advertiser_id": "adv-7", "event_source_id": "a"}
    with pytest.raises(RegistryError, match=r"^event_sources\[1\]\.event_source_id: "):
        Registry.from_documents([entry, entry], allow_unregistered=False)
    return True


def b01() -> bool:
    return registry().lookup("adv-7", "unheard of", at=MICROSECONDS) is None


def b02() -> bool:
    verdict = judge_at_source({"event_types": ["purchase"]}, event_type="lead")
    return rejected(verdict) == ("INVALID_EVENT_TYPE", "event_type")


def b03() -> bool:
    return judge_at_source({}, event_type="donate") == accept(event_type="donate")


def b04() -> bool:
    hosts = ("evil.test", "notexample.com")
    urls = [f"https://{host}/" for host in hosts]
    verdicts = [judge_at_source(DOMAIN, event_source_url=url) for url in urls]
    return {rejected(verdict) for verdict in verdicts} == {
        ("DOMAIN_NOT_ALLOWED", "event_source_url")
    }


def b05() -> bool:
    url = "https://shop.example.com/"
    return judge_at_source(DOMAIN, event_source_url=url) == accept(event_source_url=url)


def b06() -> bool:
    verdict = judge_at_source(DOMAIN)
    assert isinstance(verdict, EventRecord)
    return repaired(verdict) == (("missing_event_source_url",), ())


def b14() -> bool:
    return isinstance(judge_envelope(envelope(events=[{}] * 10_000)), Envelope)


def b15() -> bool:
    refusal = judge_envelope(envelope(events=[{}] * 10_001))
    assert isinstance(refusal, Refusal)
    return (refusal.code, refusal.field, refusal.events) == ("INVALID_REQUEST", "events", 10_001)


def accepted_of(*event_ids: object) -> int:
    """Count the accepted events of one envelope; every other one must be a rejection."""
    events = [{"event_id": name, "event_type": "lead", "event_time": TIME} for name in event_ids]
    sound = judge_envelope(envelope(events=events))
    assert isinstance(sound, Envelope)
    verdicts = [judge_event(event, policy=POLICY) for event in sound.events]
    assert len(verdicts) == len(event_ids)
    return sum(isinstance(verdict, EventRecord) for verdict in verdicts)


def b16() -> bool:
    return accepted_of("a", 2, "c") == 2


def b17() -> bool:
    return accepted_of(1, None) == 0


def b25() -> bool:
    return isinstance(read_document(b'{"events":['), Unreadable)


def b26() -> bool:
    lines = (b'{"value": NaN}', b'{"value": Infinity}', b'{"value": -Infinity}')
    return all(isinstance(read_document(line), Unreadable) for line in lines)


def b27() -> bool:
    return isinstance(read_document(b"[]"), Unreadable)


DOMAIN: Final = {"allowed_domains": ["example.com"]}
HOLDS: Final[dict[str, Callable[[], bool]]] = {
    "S10": s10,
    "B01": b01,
    "B02": b02,
    "B03": b03,
    "B04": b04,
    "B05": b05,
    "B06": b06,
    "B14": b14,
    "B15": b15,
    "B16": b16,
    "B17": b17,
    "B18": lambda: accepted_of("a", "b") == 2,
    "B25": b25,
    "B26": b26,
    "B27": b27,
}


@pytest.mark.parametrize("vector_id", BEHAVIOURS)
def test_a_described_behaviour_holds(vector_id: str) -> None:
    assert HOLDS[vector_id]()
