"""The third way in: lines as calls of the API, judged event by event, in bulk, and as stored."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

from attribution.ingest.log_event import CallVerdict
from attribution.ingest.problems import CallProblem
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.api import calls
from connectors.api.bulk import BulkJudge, judge_together
from connectors.api.calls import LogEvents
from connectors.api.guard import ProblemError
from connectors.api.sources import Sources
from connectors.spool.store import Receipt

TOGETHER: Final = 500
"""Calls that are sent at once."""

ALWAYS, NEVER = 0, 1 << 40
"""Sizes from which on calls are judged in bulk."""

Outcome = CallVerdict | CallProblem


class FixedSources:
    """Event sources that never change."""

    delay = 0

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def append(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Refuse: nothing changes them."""
        raise OSError(len(documents))

    def length(self) -> int:
        """Return 1: there are some."""
        return 1

    def registry(self) -> Registry:
        """Return them."""
        return self._registry


class Kept:
    """A store in memory."""

    def __init__(self) -> None:
        self.documents: list[bytes] = []

    def append(self, document: bytes, key: str) -> "Future[Receipt]":
        """Keep a document."""
        kept: Future[Receipt] = Future()
        kept.set_result(Receipt("events", key, len(self.documents), 0))
        self.documents.append(document)
        return kept

    def probe(self) -> "Future[Receipt]":
        """Return a result that is there."""
        ready: Future[Receipt] = Future()
        ready.set_result(Receipt("events", "", 0, 0))
        return ready

    def has_room(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing."""


def api_differences(documents: Sequence[bytes], registry: Registry) -> Iterator[str]:
    """Yield a description of each call whose verdict depends on how it is judged."""
    sent = [(_advertiser(each), each) for each in documents]
    one_by_one, _ = _answers(sent, registry, from_bytes=NEVER)
    in_bulk, kept = _answers(sent, registry, from_bytes=ALWAYS)
    as_stored = judge_together([document for document, _ in kept], registry, Policy())
    for (_, call), one, other in zip(sent, one_by_one, in_bulk, strict=True):
        if one != other:
            yield f"{call!r}: event by event {one}, in bulk {other}"
    for (document, answer), stored in zip(kept, as_stored, strict=True):
        if stored is not None and _codes(stored) != _codes(answer):
            yield f"{document!r}: stored {stored}, answered {answer}"


def _codes(verdict: CallVerdict) -> list[tuple[str, str]]:
    return sorted((each.event_id, each.code) for each in verdict.failures)


def _answers(
    sent: Sequence[tuple[str, bytes]], registry: Registry, *, from_bytes: int
) -> tuple[list[Outcome], list[tuple[bytes, CallVerdict]]]:
    """Return the verdict on each call, and what was stored of which."""
    sources, store = Sources(FixedSources(registry)), Kept()
    bulk = BulkJudge(sources.registry, Policy())
    taker = LogEvents(sources, store, bulk, Policy())
    verdicts: dict[int, CallVerdict] = {}

    async def one(advertiser: str, call: bytes) -> Outcome:
        try:
            answer = await taker.take(advertiser, call, validate_only=False)
        except ProblemError as error:
            return error.problem
        verdicts[int(str(answer.receipt).rpartition("@")[2])] = answer.verdict
        return answer.verdict

    async def everything() -> list[Outcome]:
        found: list[Outcome] = []
        for at in range(0, len(sent), TOGETHER):
            found += await asyncio.gather(*(one(*each) for each in sent[at : at + TOGETHER]))
        return found

    with _bulk_from(from_bytes):
        found = asyncio.run(everything())
    bulk.close()
    return found, [(each, verdicts[at]) for at, each in enumerate(store.documents)]


@contextmanager
def _bulk_from(size: int) -> Iterator[None]:
    usual = calls.BULK_BYTES_MIN
    calls.BULK_BYTES_MIN = size  # type: ignore[misc]
    try:
        yield
    finally:
        calls.BULK_BYTES_MIN = usual  # type: ignore[misc]


def _advertiser(call: bytes) -> str:
    try:
        named = json.loads(call)["advertiser_id"]
    except (ValueError, KeyError, TypeError):
        return "adv"
    return named if isinstance(named, str) else "adv"
