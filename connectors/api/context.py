"""What the routes work with, and what each of them asks of its caller."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Scope

from attribution.contract.document import JsonObject, Unreadable, read_document
from attribution.ingest.problems import NOT_FOUND, NOT_PERMITTED, bad_json
from connectors.api.calls import LogEvents
from connectors.api.clicks import Links
from connectors.api.guard import Guard, ProblemError, read_body
from connectors.api.impressions import Impressions
from connectors.api.keys import ApiKey
from connectors.api.limits import Limits, Rates
from connectors.api.measurements import Measurements
from connectors.api.once import Once
from connectors.api.results import NO_RESULT, Answer, Results
from connectors.api.sources import Sources
from connectors.api.syncs import Syncs
from connectors.spool.store import Receipt
from connectors.sql.reader import Reader

BUYER: Final = (
    "/api/buyer/advertisers/{advertiser_id}",
    "/api/v2/buyer/advertisers/{advertiser_id}",
)
RECEIPT: Final = "Tributary-Receipt"
REPLAYED: Final = "Idempotent-Replayed"


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes work with; `is_wrapped` puts successful answers into `data`.

    Answers of staging say to AdCP clients that they stand for nothing. `sync_once` does a sync
    with an idempotency key once. `results` answers questions to the result, if there is one.
    Events are in the folder `log`, unless they are in topics.
    """

    guard: Guard
    calls: LogEvents
    sources: Sources
    impressions: Impressions
    links: Links
    measurements: Measurements
    rates: Rates = field(default_factory=lambda: Rates(Limits()))
    is_wrapped: bool = False
    is_staging: bool = False
    sync_once: Once | None = None
    results: Results | None = None
    log: Path | None = None

    @property
    def syncs(self) -> Syncs:
        """What takes syncs of event sources."""
        return Syncs(self.sources, self.sync_once)

    def caller(self, request: Request, right: str, advertiser_id: str) -> ApiKey:
        """Return the key of a call that may do this; raises ProblemError."""
        key = self.key(request.headers, request.scope)
        if not key.may(right, advertiser_id):
            raise ProblemError(NOT_FOUND if key.may(right) else NOT_PERMITTED)
        return key

    def only_advertiser(self, request: Request, right: str) -> str:
        """Return the one advertiser that the key of a call belongs to; raises ProblemError."""
        return self.caller_for_one(request, right)[1]

    def caller_for_one(self, request: Request, right: str) -> tuple[ApiKey, str]:
        """Return the key of a call, and its one advertiser; raises ProblemError."""
        key = self.key(request.headers, request.scope)
        if len(key.advertisers) != 1 or not key.may(right):
            raise ProblemError(NOT_PERMITTED)
        (advertiser_id,) = key.advertisers
        return key, advertiser_id

    def key(self, headers: Mapping[str, str], scope: Scope) -> ApiKey:
        """Return the key of a call, which counts for its rate; raises ProblemError."""
        key = self.guard.caller(headers)
        self.rates.count_request(key.id, scope)
        return key

    async def asked(self, key: Hashable, question: Callable[[Reader], Answer]) -> Answer:
        """Return the answer of the result to a question; raises ProblemError."""
        if self.results is None:
            raise ProblemError(NO_RESULT)
        return await self.results.ask(key, question)

    def answer(
        self,
        content: dict[str, Any],
        receipt: Receipt | str | None = None,
        *,
        is_replayed: bool = False,
    ) -> Response:
        """Return a successful answer; `receipt` says where the call is stored.

        `is_replayed` says that an earlier copy of the call was answered so.
        """
        headers = {RECEIPT: str(receipt)} if receipt else {}
        headers |= {REPLAYED: "true"} if is_replayed else {}
        wrapped = {"data": content, "error": None} if self.is_wrapped else content
        return JSONResponse(wrapped, headers=headers)


async def read_object(request: Request) -> JsonObject:
    """Return the body of a call as a JSON object; raises ProblemError."""
    document = read_document(await read_body(request))
    if isinstance(document, Unreadable):
        raise ProblemError(bad_json(document.message))
    return document
