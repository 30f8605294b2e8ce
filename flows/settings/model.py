"""The settings: their names, types and limits, and the sources that a value may come from.

Nothing here reads a file or the environment.
"""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from attribution.durations import parse_duration
from attribution.policy import Duration, Policy, Windows
from attribution.vocabulary import EVENT_TYPES, KINDS
from flows.settings.api import ApiSettings
from flows.settings.kafka import OPTIONS, KafkaSettings
from flows.settings.live_sql import LiveSqlSettings

PREFIX: Final = "TRIBUTARY_"
"""The prefix of environment variables for settings."""

DEFAULT: Final = "default"
ENVIRONMENT: Final = "environment"
FLAG: Final = "--set"

KEY_GROUPS_MAX: Final = 4096
"""More groups than a cluster has workers; each costs a frame whenever the watermark moves."""

LANES_MAX: Final = 256
"""Each lane is an engine partition with a cost per epoch; files can share a lane at no cost."""

PositiveDuration = Annotated[Duration, Field(gt=0)]


class FlowSettings(BaseModel):
    """How the job runs; unlike the policy, these settings do not affect results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Each lane and each group costs some milliseconds whenever the watermark moves, however few
    # rows there are; `run` creates a new state with as many of each as it has workers.
    key_groups: Annotated[int, Field(ge=1, le=KEY_GROUPS_MAX)] = 1
    lanes: Annotated[int, Field(ge=1, le=LANES_MAX)] = 1
    watermark_interval: PositiveDuration = parse_duration("100ms")
    epoch_interval: PositiveDuration = parse_duration("150ms")
    idle_grace: Duration = parse_duration("250ms")


class Settings(BaseModel):
    """All settings: the policy, which is stored with every run, and how and where the job runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Policy()
    flow: FlowSettings = FlowSettings()
    kafka: KafkaSettings = KafkaSettings()
    api: ApiSettings = ApiSettings()
    live_sql: LiveSqlSettings = LiveSqlSettings()


_OPEN: Final = {
    "policy.weights": [f"policy.weights.{kind}" for kind in KINDS],
    "policy.windows": [
        f"policy.windows.{event}.{name}" for event in EVENT_TYPES for name in Windows.model_fields
    ],
    "kafka.options": [],
}
"""Tables whose keys are not the fields of a model."""


def _keys(model: type[BaseModel], table: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        key, kind = f"{table}{name}", field.annotation
        if key in _OPEN:
            yield from _OPEN[key]
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{key}.")
        else:
            yield key


KEYS: Final = frozenset(_keys(Settings))
"""The full key of every setting, such as `policy.windows.purchase.post_click`. In addition there
are options of librdkafka, as `kafka.options.<name>`."""

TABLES: Final = frozenset(
    key.rsplit(".", depth)[0] for key in KEYS for depth in range(1, key.count(".") + 1)
) | {OPTIONS.removesuffix(".")}
"""The keys of tables: `policy.windows.purchase`, `policy.windows`, `policy`."""
