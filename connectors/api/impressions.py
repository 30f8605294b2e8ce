"""A call that sends impressions and clicks, from its body to its answer: read, judged, kept."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, ParamSpec, TypeVar

from attribution.contract.document import Unreadable, read_array, read_document
from attribution.ingest.impressions import (
    RECORDS_MAX,
    KeptRecord,
    RecordsVerdict,
    judge_records,
)
from attribution.ingest.problems import DISK_FULL, NOT_STORED, bad_json, invalid
from attribution.policy import Policy
from connectors.api.calls import warning_lines
from connectors.api.guard import ProblemError
from connectors.api.limits import Rate
from connectors.spool.store import Receipt, Store, StoreFullError
from connectors.spool.together import all_kept

Given = ParamSpec("Given")
Result = TypeVar("Result")

IN_THREAD_BYTES: Final = 100_000
"""Bodies from this size on are judged in a worker thread, beside the calls of others."""

BLANK: Final = b" \t\r"


@dataclass(frozen=True, slots=True)
class RecordsAnswer:
    """What became of a call; `receipts` are those of its accepted records, none for a dry run."""

    verdict: RecordsVerdict
    receipts: Sequence[Receipt]

    @property
    def receipt(self) -> str | None:
        """The receipts of the first and the last accepted record."""
        ends = dict.fromkeys(map(str, [*self.receipts[:1], *self.receipts[-1:]]))
        return ", ".join(ends) or None

    def rest(self) -> dict[str, Any]:
        """Return the answer: the five fields of log-event, of records."""
        verdict = self.verdict
        return {
            "records_received": verdict.received,
            "records_processed": len(verdict.kept),
            "partial_failures": [
                {"impression_id": each.impression_id, "code": each.code, "message": each.message}
                for each in verdict.failures
            ],
            "warnings": warning_lines(verdict.warnings, "record"),
            "match_quality": verdict.match_quality,
        }


@dataclass(frozen=True, slots=True)
class Impressions:
    """Takes impressions and clicks; `store` makes them durable. `rate` limits those of an agent."""

    store: Store
    policy: Policy
    rate: Rate = field(default_factory=lambda: Rate(0, "events"))

    async def take(
        self,
        advertiser_id: str,
        body: bytes,
        *,
        is_lines: bool,
        validate_only: bool,
        agent: str = "",
    ) -> RecordsAnswer:
        """Judge the records of a call, one per line or those of an array, and keep the accepted.

        Raises ProblemError. Where nothing more can be kept after a part of them, that part is kept
        all the same: sent again, it counts once.
        """
        if not validate_only and not self.store.has_room():
            raise ProblemError(DISK_FULL)
        judge = self._judge_lines if is_lines else self._judge_array
        verdict = await _computed(len(body), judge, advertiser_id, body)
        if validate_only:
            return RecordsAnswer(verdict, ())
        self.rate.take(agent, verdict.received)
        try:
            kept = await _computed(len(body), self.keep, advertiser_id, verdict.kept)
            receipts = await asyncio.wrap_future(kept)
        except (StoreFullError, OSError) as error:
            raise ProblemError(NOT_STORED) from error
        return RecordsAnswer(verdict, receipts)

    def keep(self, advertiser_id: str, records: Sequence[KeptRecord]) -> "Future[list[Receipt]]":
        """Append accepted records to the store; the result is there when they are durable.

        Raises StoreFullError; the future raises OSError.
        """
        return all_kept(
            [
                self.store.append(record.line, f"{advertiser_id}/{record.impression_id}")
                for record in records
            ]
        )

    def _judge_lines(self, advertiser_id: str, body: bytes) -> RecordsVerdict:
        lines = [line for line in body.split(b"\n") if line.strip(BLANK)]
        _check_number(len(lines))
        return judge_records([read_document(each) for each in lines], advertiser_id, self.policy)

    def _judge_array(self, advertiser_id: str, body: bytes) -> RecordsVerdict:
        records = read_array(body)
        if isinstance(records, Unreadable):
            raise ProblemError(bad_json(records.message))
        _check_number(len(records))
        return judge_records(records, advertiser_id, self.policy)


async def _computed(
    size: int, function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """Call a function, in a thread where a body of this size would keep others waiting."""
    if size < IN_THREAD_BYTES:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


def _check_number(records: int) -> None:
    if not 1 <= records <= RECORDS_MAX:
        reason = {"reason": "BATCH_TOO_LARGE"} if records else {}
        message = f"1 to {RECORDS_MAX:,} impressions and clicks are expected; got {records:,}"
        raise ProblemError(invalid(message, None, **reason))
