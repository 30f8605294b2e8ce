"""Runs a call with an idempotency key once: its copies get its answer, and are not stored.

Only calls that were stored are answered again; a refused one may be mended and sent with the same
key. All that is done for a call goes on when its caller has gone.
"""

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from attribution.contract.document import Unreadable, read_document
from attribution.contract.envelope import IDEMPOTENCY_KEY
from attribution.ingest.canonical import quick_hash, request_hash
from attribution.ingest.problems import (
    IDEMPOTENCY_CONFLICT,
    IDEMPOTENCY_EXPIRED,
    IDEMPOTENCY_IN_FLIGHT,
    IDEMPOTENCY_LIMITED,
    NOT_STORED,
    invalid,
    unavailable,
)
from connectors.api.buckets import Buckets
from connectors.api.claims import Claim, Claims, ClaimState, KeyedRequest
from connectors.api.guard import ProblemError
from connectors.failpoints import reach
from connectors.spool.store import Receipt

KEYS_PER_SECOND: Final = 60
KEYS_BURST: Final = 300
"""New keys that an agent may use for an account, sustained and at once; AdCP's numbers."""

LOOKS_MAX: Final = 3
"""Times that an abandoned claim is looked up before the caller is asked to come again."""

Keep = Callable[[str], Awaitable[str]]
"""Stores a call under a claim and returns its receipt, which may be empty.

Raises ProblemError if it is not stored, OSError if that cannot be known.
"""

Find = Callable[[str, float], Receipt | str | None]
"""Returns the receipt of the call of a claim made at a time (seconds); None if it is not stored."""


@dataclass(frozen=True, slots=True)
class Done:
    """A call that is stored, now or by an earlier copy of it."""

    content: dict[str, Any]
    receipt: str
    is_replayed: bool = False


def key_buckets(clock: Callable[[], float] = monotonic) -> Buckets[tuple[str, str]]:
    """Return how many new keys each agent may still use for each account."""
    return Buckets(KEYS_BURST, KEYS_PER_SECOND, clock)


@dataclass(slots=True)
class Once:
    """Runs calls of one kind; `find` knows which are stored, and is None where nobody can tell."""

    claims: Claims
    find: Find | None
    rate: Buckets[tuple[str, str]] = field(default_factory=key_buckets)
    _running: set[asyncio.Task[Done]] = field(default_factory=set)

    async def run(self, request: KeyedRequest, content: Mapping[str, Any], keep: Keep) -> Done:
        """Keep a call that is to be answered with `content`, unless a copy of it was kept.

        Raises ProblemError.
        """
        task = asyncio.create_task(self._run(request, dict(content), keep))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _run(self, request: KeyedRequest, content: dict[str, Any], keep: Keep) -> Done:
        try:
            claim = await self._claimed(request, json.dumps(content).encode())
            if claim.state is ClaimState.SETTLED:
                return Done(json.loads(claim.answer), claim.receipt, is_replayed=True)
            reach("claim.before_append")
            receipt = await self._kept(request, claim, keep)
            reach("claim.after_append")
            # Not awaited: what asks for the key next finds it settled, and a crash is looked up.
            self.claims.settle(request, claim.token, receipt)
        except (sqlite3.Error, OSError) as error:
            raise ProblemError(NOT_STORED) from error
        return Done(content, receipt)

    async def _kept(self, request: KeyedRequest, claim: Claim, keep: Keep) -> str:
        try:
            return await keep(claim.token)
        except (ProblemError, OSError) as error:
            # After an OSError it is unknown what is stored: once this process has ended, that is
            # looked up. Where it cannot be, events that are sent again are duplicates.
            if isinstance(error, ProblemError) or self.find is None:
                await asyncio.wrap_future(self.claims.release(request, claim.token))
            raise

    async def _claimed(self, request: KeyedRequest, answer: bytes) -> Claim:
        """Return a new or a settled claim; raises ProblemError for any other."""
        for _ in range(LOOKS_MAX):
            may_be_new = self.rate.left(request.scope[:2]) >= 1
            claim = await asyncio.wrap_future(
                self.claims.claim(request, answer, may_be_new=may_be_new)
            )
            if claim.state is ClaimState.NEW:
                self.rate.spend(request.scope[:2])
            if claim.state in (ClaimState.NEW, ClaimState.SETTLED):
                return claim
            if claim.state is not ClaimState.ABANDONED or self.find is None:
                raise ProblemError(_REFUSED[claim.state])
            await self._look_up(request, claim, self.find)
        raise ProblemError(IDEMPOTENCY_IN_FLIGHT)

    async def _look_up(self, request: KeyedRequest, claim: Claim, find: Find) -> None:
        """Settle or release a claim whose process has ended."""
        receipt = await asyncio.to_thread(find, claim.token, claim.claimed_at)
        if receipt is None:
            await asyncio.wrap_future(self.claims.release(request, claim.token))
        else:
            await asyncio.wrap_future(self.claims.settle(request, claim.token, str(receipt)))


def keyed(agent: str, account: str, document: Mapping[str, Any]) -> KeyedRequest | None:
    """Return the idempotency key of a request, if it has one; raises ProblemError."""
    key = document.get("idempotency_key")
    return None if key is None else _request(agent, account, key, request_hash(document))


def keyed_body(agent: str, account: str, body: bytes) -> KeyedRequest | None:
    """Return the idempotency key of a body that is valid JSON, if it has one."""
    found = quick_hash(body)
    if found is None:
        document = read_document(body)
        return None if isinstance(document, Unreadable) else keyed(agent, account, document)
    key, hashed = found
    return None if key is None else _request(agent, account, key, hashed)


def _request(agent: str, account: str, key: object, hashed: bytes) -> KeyedRequest:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        message = "16 to 255 letters, digits and _.:- are expected"
        raise ProblemError(invalid(message, "idempotency_key"))
    return KeyedRequest(agent, account, key, hashed)


_KEY: Final = re.compile(IDEMPOTENCY_KEY)
_REFUSED: Final = {
    ClaimState.CONFLICT: IDEMPOTENCY_CONFLICT,
    ClaimState.EXPIRED: IDEMPOTENCY_EXPIRED,
    ClaimState.IN_FLIGHT: IDEMPOTENCY_IN_FLIGHT,
    ClaimState.ABANDONED: IDEMPOTENCY_IN_FLIGHT,
    ClaimState.LIMITED: IDEMPOTENCY_LIMITED,
    ClaimState.FULL: unavailable("too many idempotency keys are remembered; send it again"),
}
