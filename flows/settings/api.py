"""The settings table `[api]`: how much a key may send, and how many calls are answered at once.

The defaults repeat those of `connectors.api.limits`, which is slow to import.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ApiSettings(BaseModel):
    """Limits of the API, per process; a rate of 0 is unlimited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: Annotated[int, Field(ge=0)] = 60_000
    events_per_minute: Annotated[int, Field(ge=0)] = 6_000_000
    calls_at_once: Annotated[int, Field(ge=1)] = 512
