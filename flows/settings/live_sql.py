"""The settings table `[live_sql]`: questions in SQL to the running job, and what they may use.

Most defaults repeat those of `connectors.sql.queries`, which is slow to import.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ByteSize, ConfigDict, Field, field_serializer

from attribution.durations import parse_duration
from attribution.policy import Duration

MEMORY_MIN: Final = 512 << 20
"""Less would not do for the job alone."""

TIMEOUT_MAX: Final = parse_duration("10m")


class LiveSqlSettings(BaseModel):
    """How the job answers; port 0 is any free one.

    Other DuckDB clients are answered where the extra `live` is installed. `rows_max` is for answers
    that ask for no other number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    quack: bool = True
    quack_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    memory_limit: Annotated[ByteSize, Field(ge=MEMORY_MIN)] = ByteSize(2 << 30)
    timeout: Annotated[Duration, Field(gt=0, le=TIMEOUT_MAX)] = parse_duration("30s")
    rows_max: Annotated[int, Field(ge=1)] = 10_000
    queries_at_once: Annotated[int, Field(ge=1, le=64)] = 4

    @field_serializer("memory_limit", when_used="json")
    def _in_words(self, limit: ByteSize) -> str:
        return limit.human_readable()
