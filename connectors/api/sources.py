"""Event sources as the API has them: looked up for every call, changed by sync."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from attribution.ingest.problems import CallProblem
from attribution.ingest.sync import SyncPlan, plan_sync
from attribution.registry import END_OF_TIME, Registry, SourceVersion
from connectors.api.guard import ProblemError
from connectors.registry.source import SourceLog

LOOK_SECONDS: Final = 0.1
"""Between two looks at the file: a change takes effect later than that."""

SETTLE_SECONDS: Final = 0.2
"""Beyond the delay of a change, for the look of a lane that was just missed."""


@dataclass(slots=True)
class Sources:
    """The sources of a growing file or a topic; read again when there are changes."""

    log: SourceLog
    _registry: Registry = field(default_factory=lambda: Registry(versions={}))
    _length: int = -1
    _next_look: float = 0.0

    def find(self, advertiser_id: str, event_source_id: str) -> SourceVersion | None:
        """Return the version of a source that is valid now."""
        now = time.time_ns() // 1_000
        return self.registry().lookup(advertiser_id, event_source_id, at=now)

    def of(self, advertiser_id: str) -> list[SourceVersion]:
        """Return the sources of an advertiser that are not deleted, by id."""
        latest = (
            versions[-1]
            for (advertiser, _), versions in sorted(self.registry().versions.items())
            if advertiser == advertiser_id
        )
        return [each for each in latest if each.valid_to == END_OF_TIME]

    def visible(self, advertiser_id: str, only: frozenset[str]) -> list[SourceVersion]:
        """Return the sources of an advertiser among some, or all of them if none are named."""
        found = self.of(advertiser_id)
        return [each for each in found if not only or each.event_source_id in only]

    def since(self, source: SourceVersion) -> int:
        """Return since when (us) a source has been known, in whatever version."""
        key = source.advertiser_id, source.event_source_id
        return self.registry().versions[key][0].valid_from

    def plan(self, advertiser_id: str, body: Mapping[str, Any]) -> SyncPlan:
        """Judge a sync; raises ProblemError for a request that is not sound as a whole."""
        plan = plan_sync(advertiser_id, body, self.of(advertiser_id))
        if isinstance(plan, CallProblem):
            raise ProblemError(plan)
        return plan

    async def apply(self, plan: SyncPlan, claim: str = "") -> None:
        """Write what a plan changes, under the claim of its call; return once it is in effect.

        Raises OSError where it cannot be kept.
        """
        if plan.documents:
            named = {"claim": claim} if claim else {}
            changes = [{**each, **named} for each in plan.documents]
            await asyncio.to_thread(self.log.append, changes)
            self._next_look = 0.0
            await asyncio.sleep(self.log.delay / 1e6 + SETTLE_SECONDS)

    def registry(self) -> Registry:
        """Return all versions of all sources, as of LOOK_SECONDS ago."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            length = self.log.length()
            if length != self._length:
                self._registry, self._length = self.log.registry(), length
        return self._registry
