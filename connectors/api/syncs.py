"""A sync of event sources from its body to its answer: judged, made durable, in effect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from attribution.ingest.problems import NOT_STORED
from connectors.api.guard import ProblemError
from connectors.api.once import Done, Once, keyed
from connectors.api.sources import Sources


@dataclass(frozen=True, slots=True)
class Syncs:
    """Takes syncs; `once` does one with an idempotency key once."""

    sources: Sources
    once: Once | None = None

    async def take(self, advertiser_id: str, body: Mapping[str, Any], *, agent: str = "") -> Done:
        """Create, update and delete the sources of an advertiser for an agent.

        The answer, `event_sources` with what became of each, comes once the changes are in effect.
        Raises ProblemError for a request that is not sound as a whole.
        """
        plan = self.sources.plan(advertiser_id, body)
        content = {"event_sources": plan.results}

        async def keep(claim: str) -> str:
            await self.sources.apply(plan, claim)
            return ""

        request = keyed(agent, advertiser_id, body)
        if self.once is not None and request is not None:
            return await self.once.run(request, content, keep)
        try:
            return Done(content, await keep(""))
        except OSError as error:
            raise ProblemError(NOT_STORED) from error
