"""A log-event call from its body to its answer: read, judged, made durable."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from attribution.contract.document import JsonObject, Unreadable, read_document, write_document
from attribution.contract.envelope import judge_envelope
from attribution.contract.times import write_time
from attribution.contract.verdicts import Refusal
from attribution.ingest.log_event import CallVerdict, judge_call
from attribution.ingest.problems import (
    DISK_FULL,
    NOT_FOUND,
    NOT_STORED,
    CallProblem,
    bad_json,
    invalid,
    unavailable,
)
from attribution.ingest.scrub import is_surely_clean, scrubbed, scrubbed_events
from attribution.policy import Policy
from attribution.vocabulary import Warn
from connectors.api.bulk import BulkJudge
from connectors.api.claims import KeyedRequest
from connectors.api.guard import ProblemError
from connectors.api.limits import Rate
from connectors.api.once import Once, keyed_body
from connectors.api.sources import Sources
from connectors.spool.lookup import claimed
from connectors.spool.store import Receipt, Store, StoreFullError
from connectors.wording import counted

WHITESPACE: Final = b" \t\r\n"

BULK_BYTES_MIN: Final = 8_000
"""Bodies from this size on, of some ten events, are judged by the bulk decoder."""

WARNING_TEXTS: Final = {
    Warn.RAW_PII_DROPPED: "raw personal data was dropped; send only hashed identifiers",
    Warn.MISSING_USER_MATCH: "no identifier, so no match is possible",
}
"""Texts of the commonest warnings; the name of any other says what it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call, and where it lies; a dry run is kept nowhere.

    `replayed` is what an earlier copy of it, with its idempotency key, was answered.
    """

    verdict: CallVerdict
    receipt: str | None
    replayed: dict[str, Any] | None = None

    @property
    def is_replayed(self) -> bool:
        """Whether an earlier copy was answered so, and nothing is stored again."""
        return self.replayed is not None

    def rest(self) -> dict[str, Any]:
        """Return the answer of the REST routes: five fields, and no others."""
        return self.replayed or {
            "events_received": self.verdict.received,
            "events_processed": self.verdict.processed,
            "partial_failures": [
                {"event_id": each.event_id, "code": each.code, "message": each.message}
                for each in self.verdict.failures
            ],
            "warnings": _warnings(self.verdict),
            "match_quality": self.verdict.match_quality,
        }


@dataclass(frozen=True, slots=True)
class LogEvents:
    """Takes calls: `sources` decide what is known, `store` makes it durable.

    `once` keeps a call with an idempotency key once; without it, keys have no effect. `rate` limits
    the events of an agent.
    """

    sources: Sources
    store: Store
    bulk: BulkJudge
    policy: Policy
    once: Once | None = None
    rate: Rate = field(default_factory=lambda: Rate(0, "events"))

    async def take(
        self,
        advertiser_id: str,
        body: bytes,
        *,
        validate_only: bool,
        agent: str = "",
        only: frozenset[str] = frozenset(),
    ) -> Answer:
        """Judge a call of an agent, and keep it; raises ProblemError.

        With `only`, any other event source is answered like one that does not exist.
        """
        verdict, document = await self._judged(advertiser_id, body, only)
        if validate_only:
            return Answer(verdict, None)
        self.rate.take(agent, verdict.received)
        if not self.store.has_room():
            raise ProblemError(DISK_FULL)
        try:
            if self.once is not None and b'"idempotency_key"' in body:
                request = await asyncio.to_thread(keyed_body, agent, advertiser_id, body)
                if request is not None:
                    answer = Answer(verdict, None)
                    return await self._keep_once(self.once, request, answer, document)
            return Answer(verdict, str(await self._keep(document, advertiser_id)))
        except OSError as error:
            raise ProblemError(NOT_STORED) from error

    async def _keep_once(
        self, once: Once, request: KeyedRequest, answer: Answer, document: bytes
    ) -> Answer:
        async def keep(claim: str) -> str:
            return str(await self._keep(claimed(document, claim), request.account))

        done = await once.run(request, answer.rest(), keep)
        replayed = done.content if done.is_replayed else None
        return Answer(answer.verdict, done.receipt, replayed)

    async def _keep(self, document: bytes, advertiser_id: str) -> Receipt:
        """Return where the document is stored.

        Raises ProblemError if it is not stored, and OSError if that cannot be known.
        """
        try:
            return await asyncio.wrap_future(self.store.append(document, advertiser_id))
        except StoreFullError as error:
            raise ProblemError(unavailable("too much waits to be stored; send it again")) from error

    async def _judged(
        self, advertiser_id: str, body: bytes, only: frozenset[str]
    ) -> tuple[CallVerdict, bytes]:
        """Return the verdict on a call, and the document to keep; both ways agree."""
        if len(body) < BULK_BYTES_MIN:
            return self._judge_one_by_one(advertiser_id, body, only)
        if body.startswith(b"{") and not only:
            verdict = await asyncio.wrap_future(self.bulk.judge(_prefixed(advertiser_id, body)))
            text = await asyncio.to_thread(_clean_text, body) if verdict is not None else None
            if verdict is not None and text is not None:
                return verdict, _prefixed(advertiser_id, text)
        return await asyncio.to_thread(self._judge_one_by_one, advertiser_id, body, only)

    def _judge_one_by_one(
        self, advertiser_id: str, body: bytes, only: frozenset[str]
    ) -> tuple[CallVerdict, bytes]:
        document = _document(body)
        now = time.time_ns() // 1_000
        # As in what is stored, path and clock come before what the body says of them.
        ours: list[tuple[str, object]] = [
            ("received_at", write_time(now)),
            ("advertiser_id", advertiser_id),
        ]
        envelope = judge_envelope(JsonObject([*ours, *document.pairs]))
        if isinstance(envelope, Refusal):
            raise ProblemError(_refused(envelope))
        source = self.sources.find(advertiser_id, envelope.event_source_id)
        if source is None or (only and envelope.event_source_id not in only):
            raise ProblemError(NOT_FOUND)
        clean, is_changed = scrubbed(document)
        text = write_document(clean) if is_changed else _one_line(body)
        verdict = judge_call(envelope, source, self.policy, received_at=now)
        return verdict, _prefixed(advertiser_id, text)


def _document(body: bytes) -> JsonObject:
    document = read_document(body)
    if isinstance(document, Unreadable):
        raise ProblemError(bad_json(document.message))
    return document


def _refused(refusal: Refusal) -> CallProblem:
    too_many = refusal.field == "events" and refusal.events > 1
    reason = {"reason": "BATCH_TOO_LARGE"} if too_many else {}
    return invalid(refusal.message, refusal.field, **reason)


def _clean_text(body: bytes) -> bytes | None:
    """Return a valid body on one line, scrubbed; None where it has to be read for that."""
    clean = body if is_surely_clean(body) else scrubbed_events(body)
    return None if clean is None else _one_line(clean)


def _one_line(body: bytes) -> bytes:
    """Return a valid JSON object without line feeds: they stand between its tokens only."""
    return body.strip(WHITESPACE).replace(b"\n", b" ").replace(b"\r", b" ")


def _prefixed(advertiser_id: str, document: bytes) -> bytes:
    """Name the advertiser first: of equal keys the first counts, and the path decides."""
    return b'{"advertiser_id":' + json.dumps(advertiser_id).encode() + b"," + document[1:]


def _warnings(verdict: CallVerdict) -> list[str]:
    found = warning_lines(verdict.warnings, "event")
    if verdict.is_test:
        found.append("test_event: validated, and left out of all results")
    return found


def warning_lines(warnings: Mapping[Warn, int], noun: str) -> list[str]:
    """Return a line for each warning, with how many events or records have it."""
    return [
        f"{warning}: {WARNING_TEXTS.get(warning, warning.replace('_', ' '))} "
        f"({counted(count, noun)})"
        for warning, count in sorted(warnings.items())
    ]
