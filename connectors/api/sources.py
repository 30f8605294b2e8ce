"""Event sources as the API has them: looked up for every call, changed by sync."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from attribution.contract.event_source import EventSource, judge_event_source
from attribution.ingest.problems import invalid, unavailable
from attribution.registry import (
    BEGINNING_OF_TIME,
    END_OF_TIME,
    Registry,
    SourceVersion,
    version_of,
)
from connectors.api.guard import ProblemError
from connectors.registry.source import SourceLog

SOURCES_MAX: Final = 50
"""Sources in one sync."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at the file: a change takes effect later than that."""

SETTLE_SECONDS: Final = 0.2
"""Beyond the delay of a change, for the look of a lane that was just missed."""

_SERVER_ONLY: Final = {
    "snippet_type": "server_only",
    "instructions": "Send events from your server to log-event with this event_source_id.",
}


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

    async def sync(self, advertiser_id: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Create, update and delete sources; return what became of each.

        The answer comes once the changes are in effect. Raises ProblemError for a request that is
        not sound as a whole.
        """
        wanted = _wanted(advertiser_id, body)
        known = {each.event_source_id: each for each in self.of(advertiser_id)}
        results: list[dict[str, Any]] = []
        lines: list[dict[str, Any]] = []
        for document, source in wanted:
            name = source.event_source_id
            action = _action(known.get(name), version_of(source))
            results.append({"event_source_id": name, "action": action, "setup": _SERVER_ONLY})
            if action != "unchanged":
                lines.append(document)
        if body.get("delete_missing") is True:
            named = {source.event_source_id for _, source in wanted}
            for missing in sorted(known.keys() - named):
                results.append({"event_source_id": missing, "action": "deleted"})
                lines.append(_deletion(advertiser_id, missing))
        if lines:
            try:
                await asyncio.to_thread(self.log.append, lines)
            except OSError as error:
                raise ProblemError(
                    unavailable("nothing can be stored now; send it again")
                ) from error
            self._next_look = 0.0
            await asyncio.sleep(self.log.delay / 1e6 + SETTLE_SECONDS)
        return results

    def registry(self) -> Registry:
        """Return all versions of all sources, as of LOOK_SECONDS ago."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            length = self.log.length()
            if length != self._length:
                self._registry, self._length = self.log.registry(), length
        return self._registry


def _wanted(
    advertiser_id: str, body: Mapping[str, Any]
) -> Sequence[tuple[dict[str, Any], EventSource]]:
    given = body.get("event_sources")
    if not isinstance(given, list) or not 1 <= len(given) <= SOURCES_MAX:
        message = f"an array of 1 to {SOURCES_MAX} event sources is expected"
        raise ProblemError(invalid(message, "event_sources"))
    wanted = list(_judged(advertiser_id, given))
    ids = [source.event_source_id for _, source in wanted]
    if len(set(ids)) != len(ids):
        message = "each event_source_id is expected once"
        raise ProblemError(invalid(message, "event_sources", reason="DUPLICATE_EVENT_SOURCE_ID"))
    return wanted


def _judged(advertiser_id: str, given: list[Any]) -> Iterator[tuple[dict[str, Any], EventSource]]:
    for index, entry in enumerate(given):
        document = {**entry, "advertiser_id": advertiser_id} if isinstance(entry, dict) else entry
        source = judge_event_source(document)
        if not isinstance(source, EventSource):
            issues = [
                {"path": f"/event_sources/{index}/{each.field or ''}", "message": each.message}
                for each in source
            ]
            where = f"event_sources[{index}]"
            raise ProblemError(invalid(str(issues[0]["message"]), where, issues=issues))
        yield document, source


def _action(known: SourceVersion | None, wanted: SourceVersion) -> str:
    if known is None:
        return "created"
    now = replace(known, valid_from=BEGINNING_OF_TIME, valid_to=END_OF_TIME)
    return "unchanged" if now == wanted else "updated"


def _deletion(advertiser_id: str, event_source_id: str) -> dict[str, Any]:
    return {"advertiser_id": advertiser_id, "event_source_id": event_source_id, "deleted": True}
