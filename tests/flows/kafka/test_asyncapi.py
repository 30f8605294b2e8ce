"""The description of the topics: whole, true to the settings, and its examples are accepted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from attribution.contract.document import read_document
from attribution.contract.envelope import judge_envelope
from attribution.contract.event import Event, judge_event
from attribution.contract.event_source import EventSource, judge_event_source
from attribution.contract.impression import judge_impression
from attribution.contract.measurement import judge_measurement, judge_measurements
from attribution.contract.published import PublishedConversion
from attribution.contract.verdicts import (
    Envelope,
    EventRecord,
    ImpressionRecord,
    MeasurementCall,
    MeasurementRecord,
)
from attribution.policy import Policy
from attribution.vocabulary import EVENT_TYPES
from flows.cli.app import app
from flows.kafka.asyncapi import CHANNELS, asyncapi
from flows.kafka.topics import planned_topics
from flows.settings.kafka import TopicNames
from flows.settings.model import Settings

DOCUMENT = asyncapi(Settings())
SCHEMAS = DOCUMENT["components"]["schemas"]
MESSAGES = DOCUMENT["components"]["messages"]


def example(name: str) -> Any:  # noqa: ANN401
    payload = MESSAGES[name]["examples"][0]["payload"]
    return read_document(json.dumps(payload).encode())


def nodes(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    if isinstance(node, dict):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(each)


def test_every_topic_is_there_as_it_is_made() -> None:
    assert [each.name for each in CHANNELS] == list(TopicNames.model_fields)
    found = {
        (channel["address"], channel["bindings"]["kafka"]["partitions"])
        for channel in DOCUMENT["channels"].values()
    }
    assert found == {(topic.name, topic.partitions) for topic in planned_topics(Settings())}
    assert len(DOCUMENT["operations"]) == len(CHANNELS)


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)]
    assert references
    for reference in references:
        place = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_schemas_say_what_the_models_say() -> None:
    assert list(SCHEMAS["Event"]["properties"]) == list(Event.model_fields)
    assert SCHEMAS["Event"]["required"] == ["event_id", "event_type", "event_time"]
    assert SCHEMAS["Event"]["properties"]["event_type"]["enum"] == list(EVENT_TYPES)
    assert SCHEMAS["Event"]["properties"]["event_time"] == {"type": "string", "format": "date-time"}
    price = SCHEMAS["Impression"]["properties"]["price"]
    assert price == {"anyOf": [{"minimum": 0, "type": "number"}, {"type": "null"}]}
    events = SCHEMAS["Envelope"]["properties"]["events"]
    assert events["items"] == {"$ref": "#/components/schemas/Event"}
    assert events["maxItems"] == 10_000
    assert not {"ge", "le", "title", "default"} & {key for node in nodes(SCHEMAS) for key in node}


@pytest.mark.parametrize(
    "name", ["events", "impressions", "measurements", "event_sources", "conversions"]
)
def test_an_example_has_no_field_that_its_schema_has_not(name: str) -> None:
    schema = SCHEMAS[MESSAGES[name]["payload"]["$ref"].rpartition("/")[2]]
    assert set(example(name)) <= set(schema["properties"])
    assert set(schema["required"]) <= set(example(name))


def test_examples_are_accepted_without_a_warning() -> None:
    envelope = judge_envelope(example("events"))
    assert isinstance(envelope, Envelope)
    event = judge_event(envelope.events[0], policy=Policy())
    assert isinstance(event, EventRecord)
    impression = judge_impression(example("impressions"), policy=Policy())
    assert isinstance(impression, ImpressionRecord)
    assert (event.warnings, impression.warnings) == ((), ())
    assert event.match_keys & impression.match_keys
    assert isinstance(judge_event_source(example("event_sources")), EventSource)
    call = judge_measurements(example("measurements"))
    assert isinstance(call, MeasurementCall)
    row = judge_measurement(call.rows[0], call.advertiser_id)
    assert isinstance(row, MeasurementRecord)
    assert row.external_row_id is not None
    published = json.dumps(MESSAGES["conversions"]["examples"][0]["payload"])
    assert PublishedConversion.model_validate_json(published).event_id == event.event_id


def test_the_command_prints_it_with_the_settings_that_hold() -> None:
    name = "kafka.topics.events=other.events.v1"
    printed = CliRunner().invoke(app, ["schema", "--set", name])
    assert printed.exit_code == 0
    told = json.loads(printed.stdout)
    assert told["asyncapi"] == "3.0.0"
    assert told["channels"]["events"]["address"] == "other.events.v1"
