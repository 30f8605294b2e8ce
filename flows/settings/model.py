"""Which settings there are, and the sources that a value may come from.

Knows names and what a value may be; reads nothing.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from attribution.durations import parse_duration
from attribution.policy import Duration, Policy, Windows
from attribution.vocabulary import EVENT_TYPES, KINDS
from flows.settings import kafka as kafka_settings
from flows.settings.kafka import OPTIONS, KafkaSettings

PREFIX: Final = "TRIBUTARY_"
"""What begins the name of a setting in the environment."""

DEFAULT: Final = "default"
ENVIRONMENT: Final = "environment"
FLAG: Final = "--set"

KEY_GROUPS_MAX: Final = 4096
"""More groups than any cluster has workers; each costs a frame whenever the watermark moves."""

LANES_MAX: Final = 256
"""A lane is a partition of the engine, paid for in every epoch; files share lanes at no cost."""

PositiveDuration = Annotated[Duration, Field(gt=0)]


class FlowSettings(BaseModel):
    """How the job runs; unlike the policy, nothing here shows in a result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Each lane and each group costs some milliseconds of fixed time whenever the watermark moves,
    # however few rows there are; `run` makes a new state with as many as it has workers.
    key_groups: Annotated[int, Field(ge=1, le=KEY_GROUPS_MAX)] = 1
    lanes: Annotated[int, Field(ge=1, le=LANES_MAX)] = 1
    watermark_interval: PositiveDuration = parse_duration("100ms")
    epoch_interval: PositiveDuration = parse_duration("150ms")
    idle_grace: Duration = parse_duration("250ms")


class Settings(BaseModel):
    """All settings: the policy that is stored with every run, and how and where the job runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Policy()
    flow: FlowSettings = FlowSettings()
    kafka: KafkaSettings = KafkaSettings()


KEYS: Final = frozenset(
    {f"policy.{name}" for name in Policy.model_fields if name not in {"weights", "windows"}}
    | {f"policy.weights.{kind}" for kind in KINDS}
    | {f"policy.windows.{event}.{name}" for event in EVENT_TYPES for name in Windows.model_fields}
    | {f"flow.{name}" for name in FlowSettings.model_fields}
    | {
        f"kafka.{name}"
        for name in KafkaSettings.model_fields.keys() - kafka_settings.TABLES - {"options"}
    }
    | {
        f"kafka.{table}.{name}"
        for table, model in kafka_settings.TABLES.items()
        for name in model.model_fields
    }
)
"""Every setting there is, in full: `policy.windows.purchase.post_click`. Options of librdkafka come
on top, as `kafka.options.<name>`."""

TABLES: Final = frozenset(
    key.rsplit(".", depth)[0] for key in KEYS for depth in range(1, key.count(".") + 1)
) | {OPTIONS.removesuffix(".")}
"""What holds settings and is none itself: `policy.windows.purchase`, `policy.windows`, `policy`."""
