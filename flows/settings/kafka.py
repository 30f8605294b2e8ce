"""The settings table `[kafka]`: where a cluster is, what its topics are called, and its secrets."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

OPTIONS: Final = "kafka.options."
"""What begins a key of librdkafka's own: `kafka.options.security.protocol`."""

PARTITIONS_MAX: Final = 1000
"""Of a topic that we make; far more than lanes could make use of."""

WINDOW_MAX: Final = 1_000_000
"""Records per partition that are looked back on; a byte each."""

MASK: Final = "********"


class TopicNames(BaseModel):
    """What the topics are called; `<domain>.<stream>.v<n>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: str = "adcp.events.v1"
    impressions: str = "adcp.impressions.v1"
    event_sources: str = "adcp.event_sources.v1"
    conversions: str = "attribution.conversions.v1"
    dead_letters: str = "attribution.dead_letters.v1"


class DeadLetterSettings(BaseModel):
    """Whether refused documents are set aside, and how many may be before the job stops.

    The defaults are those of `connectors.dead_letters.limit`, which takes long to import.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    window: Annotated[int, Field(ge=1, le=WINDOW_MAX)] = 1_000
    max_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_consecutive: Annotated[int, Field(ge=0)] = 1_000


class KafkaSettings(BaseModel):
    """Where the raw streams come from when they are not files.

    `publish` sends attributed conversions to their topic. `partitions` and `replication` are those
    of topics that are made; a replication of -1 is the cluster's own. `options` are librdkafka's.
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


TABLES: Final[Mapping[str, type[BaseModel]]] = {
    "topics": TopicNames,
    "dead_letters": DeadLetterSettings,
}
"""The tables within the table, but for `options`, which is open."""

_SECRET: Final = re.compile(
    r"(^|\.)(password|passphrase|secret|private\.key\.pem|ssl\.key\.pem|oauthbearer\.config)(\.|$)"
)


def is_secret(option: str) -> bool:
    """Return whether an option of librdkafka, or its key in the settings, holds a secret."""
    return _SECRET.search(option) is not None
