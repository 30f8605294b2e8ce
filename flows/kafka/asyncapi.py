"""Describes the topics as an AsyncAPI 3 document: contents, keys and retention.

Schemas are generated from the models that the job itself uses, names and retention from the
settings, so the document cannot deviate from them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from attribution.contract.envelope import EnvelopeModel
from attribution.contract.event import Event
from attribution.contract.event_source import EventSource
from attribution.contract.impression import Impression
from attribution.contract.measurement import Measurement, Measurements
from attribution.contract.published import PublishedConversion
from connectors.dead_letters.letters import HEADERS, OMITTED, REPLAY_OF
from connectors.kafka.topics import Topic
from connectors.release import release
from flows.kafka import examples as wire_examples
from flows.kafka.topics import planned_topics
from flows.settings.model import Settings

SCHEMAS: Final = "#/components/schemas/"
MODELS: Final = (
    EnvelopeModel,
    Event,
    Impression,
    Measurements,
    Measurement,
    EventSource,
    PublishedConversion,
)
KAFKA: Final = "0.5.0"
"""Version of AsyncAPI's bindings for Kafka."""

_KEYWORDS: Final = {"ge": "minimum", "le": "maximum"}
"""JSON Schema's names of limits that pydantic leaves in its own spelling after a converter."""

_REPLAYED: Final = {REPLAY_OF: "Place of the rejection, where a dead letter was sent again"}
_LENIENT: Final = (
    " Faulty optional fields are dropped with a warning; unknown ones are ignored, and null means"
    " absent."
)


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic as the document shows it; `name` is also the name of its setting."""

    name: str
    action: str
    title: str
    summary: str
    key: str
    schema: str | None = None
    example: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


CHANNELS: Final = (
    Channel(
        "events",
        "receive",
        "Log events",
        "Requests of the log-event API as they were posted, with where and when they arrived."
        + _LENIENT,
        "advertiser_id/event_source_id",
        "Envelope",
        wire_examples.EVENTS,
        _REPLAYED,
    ),
    Channel(
        "impressions",
        "receive",
        "Impressions and clicks",
        "One served impression, or one click." + _LENIENT,
        "advertiser_id/impression_id",
        "Impression",
        wire_examples.IMPRESSION,
        _REPLAYED,
    ),
    Channel(
        "measurements",
        "receive",
        "Measurement data",
        "Calls with aggregates that somebody else has measured, as they were posted. A row takes"
        " the place of the earlier one of its external_row_id or, without one, of its dimensions."
        " The topic may be missing.",
        "advertiser_id",
        "Measurements",
        wire_examples.MEASUREMENTS,
        _REPLAYED,
    ),
    Channel(
        "event_sources",
        "receive",
        "Event sources",
        "The registry: the latest record of a key is the source; one without a value deletes it.",
        "advertiser_id/event_source_id",
        "EventSource",
        wire_examples.EVENT_SOURCE,
    ),
    Channel(
        "conversions",
        "send",
        "Attributed conversions",
        "Attributed conversions that have settled, with their credits. After a crash some come"
        " again under the same conversion_id; the last copy counts.",
        "advertiser_id/conversion_id",
        "PublishedConversion",
        wire_examples.CONVERSION,
    ),
    Channel(
        "dead_letters",
        "send",
        "Dead letters",
        "Documents refused as a whole: key, value and headers as they came, and why. They may hold"
        " personal data.",
        "as in the topic it comes from",
        headers=HEADERS,
    ),
)


def asyncapi(settings: Settings) -> dict[str, Any]:
    """Describe the topics of the settings."""
    topics = {topic.name: topic for topic in planned_topics(settings)}
    names = settings.kafka.topics.model_dump()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tributary",
            "version": release(),
            "description": "Raw log events and impressions in, attributed conversions out.",
        },
        "defaultContentType": "application/json",
        "channels": {each.name: _channel(each, topics[names[each.name]]) for each in CHANNELS},
        "operations": {f"{each.action}_{each.name}": _operation(each) for each in CHANNELS},
        "components": {
            "messages": {each.name: _message(each) for each in CHANNELS},
            "schemas": _schemas(),
        },
    }


def _channel(channel: Channel, topic: Topic) -> dict[str, Any]:
    binding = {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": dict(_configuration(topic)),
        "bindingVersion": KAFKA,
    }
    return {
        "address": topic.name,
        "title": channel.title,
        "description": channel.summary,
        "messages": {channel.name: {"$ref": f"#/components/messages/{channel.name}"}},
        "bindings": {"kafka": binding},
    }


def _configuration(topic: Topic) -> Iterator[tuple[str, Any]]:
    for name, value in topic.config.items():
        yield name, [value] if name == "cleanup.policy" else int(value)


def _operation(channel: Channel) -> dict[str, Any]:
    return {"action": channel.action, "channel": {"$ref": f"#/channels/{channel.name}"}}


def _message(channel: Channel) -> dict[str, Any]:
    key = {"type": "string", "description": channel.key}
    message: dict[str, Any] = {
        "name": channel.name,
        "title": channel.title,
        "summary": channel.summary,
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA}},
    }
    if channel.headers:
        message["headers"] = _headers(channel.headers)
    if channel.schema is None:
        return message | {"contentType": "application/octet-stream"}
    example = {"name": channel.name, "payload": channel.example}
    return message | {
        "payload": {"$ref": f"{SCHEMAS}{channel.schema}"},
        "examples": [example],
    }


def _headers(headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "description": meaning} for name, meaning in headers.items()
        },
        "required": [name for name in headers if name not in {OMITTED, REPLAY_OF}],
    }


class _Wire(GenerateJsonSchema):
    """Generates the JSON Schema of the wire format, in which a decimal is a number."""

    def decimal_schema(self, schema: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002  pydantic's own
        return {"type": "number"}


def _schemas() -> dict[str, Any]:
    """Return the schemas of all models, without those of converted values."""
    _, told = models_json_schema(
        [(model, "validation") for model in MODELS],
        schema_generator=_Wire,
        ref_template=SCHEMAS + "{model}",
    )
    schemas = {name: _plain(schema) for name, schema in told["$defs"].items()}
    # The contract judges events and measurements one by one: one is refused without the others.
    schemas["Envelope"] = schemas.pop("EnvelopeModel")
    schemas["Envelope"]["properties"]["events"]["items"] = {"$ref": f"{SCHEMAS}Event"}
    rows = schemas["Measurements"]["properties"]["measurements"]
    rows["items"] = {"$ref": f"{SCHEMAS}Measurement"}
    used = {channel.schema for channel in CHANNELS} | set(_references(schemas))
    return {name: schema for name, schema in sorted(schemas.items()) if name in used}


def _plain(node: Any) -> Any:  # noqa: ANN401  any part of a schema
    """Remove pydantic's titles and defaults, and spell limits as JSON Schema does."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        _KEYWORDS.get(name, name): {key: _plain(each) for key, each in value.items()}
        if name == "properties"
        else _plain(value)
        for name, value in node.items()
        if name not in {"title", "default"}
    }


def _references(node: Any) -> Iterator[str]:  # noqa: ANN401  any part of a schema
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix(SCHEMAS)
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)
