"""The settings table `[kafka]`: address of the cluster, names of topics, and secrets."""

import re
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

OPTIONS: Final = "kafka.options."
"""The prefix of librdkafka's options: `kafka.options.security.protocol`."""

PARTITIONS_MAX: Final = 1000
"""Partitions of a topic that we create; far more than lanes could use."""

WINDOW_MAX: Final = 1_000_000
"""Records per partition in the sliding window of the dead letter limit; one byte each."""

MASK: Final = "********"


class TopicNames(BaseModel):
    """The names of the topics: `<domain>.<stream>.v<n>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: str = "adcp.events.v1"
    impressions: str = "adcp.impressions.v1"
    measurements: str = "adcp.measurements.v1"
    event_sources: str = "adcp.event_sources.v1"
    conversions: str = "attribution.conversions.v1"
    dead_letters: str = "attribution.dead_letters.v1"


class DeadLetterSettings(BaseModel):
    """Whether refused documents go to the dead letter topic, and how many before the job stops.

    The defaults repeat those of `connectors.dead_letters.limit`, which is slow to import.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    window: Annotated[int, Field(ge=1, le=WINDOW_MAX)] = 1_000
    max_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_consecutive: Annotated[int, Field(ge=0)] = 1_000


class KafkaSettings(BaseModel):
    """The cluster that raw streams are read from, if they are not files.

    `publish` sends attributed conversions to their topic. `partitions` and `replication` apply to
    topics that we create; a replication of -1 is the cluster's default. `options` are librdkafka's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bootstrap_servers: str = ""
    group: Annotated[str, Field(min_length=1)] = "tributary"
    accept_gap: bool = False
    publish: bool = False
    partitions: Annotated[int, Field(ge=1, le=PARTITIONS_MAX)] = 8
    replication: Annotated[int, Field(ge=-1, le=100)] = -1
    topics: TopicNames = TopicNames()
    dead_letters: DeadLetterSettings = DeadLetterSettings()
    options: dict[str, str] = {}

    @field_validator("topics")
    @classmethod
    def _apart(cls, topics: TopicNames) -> TopicNames:
        names = list(topics.model_dump().values())
        if len(set(names)) != len(names):
            msg = f"each topic needs a name of its own; got {', '.join(names)}"
            raise ValueError(msg)
        return topics

    @field_serializer("options", when_used="json")
    def _mask(self, options: dict[str, str]) -> dict[str, str]:
        return {name: MASK if is_secret(name) else value for name, value in options.items()}


_SECRET: Final = re.compile(
    r"(^|\.)(password|passphrase|secret|private\.key\.pem|ssl\.key\.pem|oauthbearer\.config)(\.|$)"
)


def is_secret(option: str) -> bool:
    """Return whether an option of librdkafka, or its settings key, holds a secret."""
    return _SECRET.search(option) is not None
