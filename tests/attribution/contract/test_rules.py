"""The table of rules covers the models, and no value of any field breaks a judge."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.contract.custom_data import Progress
from attribution.contract.document import JsonObject, read_document
from attribution.contract.envelope import EnvelopeModel, judge_envelope
from attribution.contract.event import Event, judge_event
from attribution.contract.impression import Impression, judge_impression
from attribution.contract.measurement import Measurement, Measurements, judge_measurement
from attribution.contract.rules import MEASUREMENT_RULES, OTHERWISE, RULES, Drop, Rules
from attribution.contract.shapes import Shape
from attribution.contract.verdicts import (
    Envelope,
    EventRecord,
    ImpressionRecord,
    ImpressionRejection,
    MeasurementRecord,
    Refusal,
    Rejection,
)
from attribution.policy import Policy
from attribution.vocabulary import Warn
from tests.attribution.contract.builders import EMAIL, LENIENT, POLICY, TIME
from tests.support import raw


def models_in(annotation: object) -> Iterator[tuple[str, type[Shape]]]:
    """Find the models in a field's type, with `[]` where an array is in between."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        yield "", annotation
    for inner in get_args(annotation):
        for suffix, model in models_in(inner):
            yield ("[]" if getattr(annotation, "__origin__", None) is list else "") + suffix, model


def paths(model: type[Shape], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        for suffix, inner in models_in(field.annotation):
            yield from paths(inner, f"{prefix}{name}{suffix}.")


def has_rule(path: str, rules: Rules = RULES) -> bool:
    # A field needs a rule of its own, unless it goes with the block or the item it is in.
    parent = path.rpartition(".")[0]
    return path in rules or (parent in rules and isinstance(rules[parent][OTHERWISE], Drop))


@pytest.mark.parametrize("model", [Event, Impression, EnvelopeModel, Measurements])
def test_every_field_of_every_model_has_a_rule(model: type[Shape]) -> None:
    assert [path for path in paths(model) if not has_rule(path)] == []


def test_measurements_have_rules_of_their_own() -> None:
    assert [path for path in paths(Measurement) if not has_rule(path, MEASUREMENT_RULES)] == []


def test_progress_has_rules_too() -> None:
    assert all(f"custom_data.{name}" in RULES for name in Progress.model_fields)


def test_every_rule_has_an_answer_for_any_fault() -> None:
    rules = (*RULES.items(), *MEASUREMENT_RULES.items())
    assert [path for path, rule in rules if OTHERWISE not in rule] == []


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", "USD", "purchase", "click", "uid2", EMAIL, TIME, "1.2.3.4", "x" * 2_000])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "value", "price", "category"]), inner)
    ),
    max_leaves=6,
)


def block(model: type[Shape], **blocks: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with some of a model's fields, each of any value whatever."""
    fields = {name: blocks.get(name, VALUES) | VALUES for name in model.model_fields}
    return st.fixed_dictionaries({}, optional=fields)


def parts(model: type[Shape], field: str) -> st.SearchStrategy[Any]:
    annotation = model.model_fields[field].annotation
    return block(next(inner for _, inner in models_in(annotation)))


EVENTS = block(
    Event, user_match=parts(Event, "user_match"), custom_data=parts(Event, "custom_data")
).map(lambda fields: {"event_id": "e", "event_type": "refund", "event_time": TIME} | fields)
IMPRESSIONS = block(Impression, user_match=parts(Impression, "user_match"))


def reread(document: object) -> JsonObject:
    read = read_document(json.dumps(document).encode())
    assert isinstance(read, JsonObject)
    return read


@given(EVENTS, st.sampled_from([POLICY, LENIENT]))
def test_any_event_gets_a_verdict(event: dict[str, Any], policy: Policy) -> None:
    verdict = judge_event(reread(event), policy=policy)
    if isinstance(verdict, EventRecord):
        check_record(verdict)
        assert verdict.custom_data is None or json.loads(verdict.custom_data) is not None
    else:
        assert isinstance(verdict, Rejection)
        assert verdict.message


@given(IMPRESSIONS)
def test_any_impression_gets_a_verdict(impression: dict[str, Any]) -> None:
    sound = {"advertiser_id": "a", "impression_id": "i", "campaign_id": "c"}
    verdict = judge_impression(
        reread(sound | {"type": "click", "time": TIME} | impression), policy=POLICY
    )
    if isinstance(verdict, ImpressionRecord):
        check_record(verdict)
        assert (verdict.spend is None) == (verdict.currency is None)
    else:
        assert isinstance(verdict, ImpressionRejection)


@given(block(EnvelopeModel, events=st.lists(EVENTS, max_size=2)))
def test_any_envelope_gets_a_verdict(envelope: dict[str, Any]) -> None:
    assert isinstance(judge_envelope(reread(envelope)), Envelope | Refusal)


@given(block(Measurement))
def test_any_measurement_gets_a_verdict(row: dict[str, Any]) -> None:
    verdict = judge_measurement(reread(raw.measurement() | row), "adv")
    assert isinstance(verdict, MeasurementRecord | Rejection)
    absent = {key: value for key, value in row.items() if value is not None}
    left = {key: value for key, value in raw.measurement().items() if key not in row}
    assert judge_measurement(reread(left | absent), "adv") == verdict


def check_record(record: EventRecord | ImpressionRecord) -> None:
    """Check that keys are carried, and that warnings and drops come once and in order."""
    assert {kind for kind, _ in record.match_keys} <= record.carries
    assert list(record.warnings) == [warning for warning in Warn if warning in record.warnings]
    assert len(set(record.dropped)) == len(record.dropped)
    assert not record.dropped or record.warnings


@given(EVENTS)
def test_null_is_absent_whatever_the_event(event: dict[str, Any]) -> None:
    absent = {key: value for key, value in event.items() if value is not None}
    assert judge_event(reread(event), policy=POLICY) == judge_event(reread(absent), policy=POLICY)
