"""What became of an event: what the result says, and the log of what no job has read yet."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from attribution.contract.times import parse_time, write_time
from attribution.ingest.problems import CallProblem
from connectors.api.guard import ProblemError
from connectors.api.reads.asked import Ask, Row, without_nulls
from connectors.api.reads.outcomes import Wanted, outcomes
from connectors.api.results import SLOW
from connectors.spool.recent import Search, find_event

SEARCHES_AT_ONCE: Final = 2
"""Searches of the log; others wait."""

SEARCH_SECONDS: Final = 10.0
"""How long a caller waits for a search."""

SLACK: Final = 300_000_000
"""How long before the watermark (us) the search begins: rows follow soon upon what was read."""

NOTHING_READ: Final[Row] = {"conversions": None, "refusals": None, "tests": None, "reading": None}


@dataclass(slots=True)
class Receipts:
    """Tells what became of events, from the result and from the folder of the log.

    Without a folder, events are in topics, which are not searched.
    """

    ask: Ask
    log: Path | None
    _searching: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(SEARCHES_AT_ONCE)
    )

    async def of(self, wanted: Wanted) -> Row:
        """Return what became of the events of an id; raises ProblemError."""
        known, problem = NOTHING_READ, None
        try:
            known = await self.ask(wanted, partial(outcomes, wanted=wanted))
        except ProblemError as error:
            problem = error.problem  # what is stored can be told all the same
        as_of = known.get("as_of")
        search = await self._search(wanted, as_of)
        events = [*_judged(known), *_pending(wanted, known, search, is_known=problem is None)]
        if events:
            return {"event_id": wanted.event_id, "events": events, "as_of": as_of}
        raise ProblemError(problem or _unknown(as_of, is_searched=search.is_whole))

    async def _search(self, wanted: Wanted, as_of: Row | None) -> Search:
        if self.log is None:
            return Search(is_whole=False)
        since = None if as_of is None else parse_time(as_of["watermark"])
        begin = None if since is None else since.microseconds - SLACK
        search = partial(find_event, self.log, wanted.advertiser_id, wanted.event_id, begin)
        try:
            async with asyncio.timeout(SEARCH_SECONDS), self._searching:
                return await asyncio.to_thread(search)
        except TimeoutError:
            raise ProblemError(SLOW) from None
        except OSError:
            return Search(is_whole=False)


def _judged(known: Row) -> Iterator[Row]:
    """Yield the events whose outcome the result knows, in the order of their arrival."""
    events = [
        without_nulls(each)
        for kind in ("conversions", "refusals", "tests")
        for each in known[kind] or []
    ]
    for event in sorted(events, key=lambda each: each.get("received_at", "")):
        paid = [_of_worth(each) for each in event.get("credits", [])]
        credits = {"credits": paid} if "credits" in event else {}
        yield event | credits | {"durable": True, "read": True}


def _of_worth(credit: Row) -> Row:
    """Return a credit without its money if the conversion has none."""
    if credit["currency"] is not None:
        return credit
    return {name: each for name, each in credit.items() if name not in {"currency", "values"}}


def _pending(wanted: Wanted, known: Row, search: Search, *, is_known: bool) -> Iterator[Row]:
    """Yield the stored events that the result has not got, once per source and type.

    Others are copies, which make duplicates.
    """
    done = {
        (each["event_source_id"], each["event_type"])
        for kind in ("conversions", "refusals", "tests")
        for each in known[kind] or []
    }
    offsets = {each["partition"]: each["next_offset"] for each in known["reading"] or []}
    for event in search.found:
        key = event.event_source_id, event.event_type
        if key in done or not wanted.takes(*key):
            continue
        done.add(key)
        is_read = event.place.offset < offsets.get(event.place.partition, 0)
        yield {
            "event_source_id": event.event_source_id,
            "event_type": event.event_type,
            "state": "read" if is_read else "stored",
            "received_at": write_time(event.place.received_at),
            "place": str(event.place),
            "durable": True,
            **({"read": is_read} if is_known else {}),
        }


def _unknown(as_of: Row | None, *, is_searched: bool) -> CallProblem:
    """Return the answer to who asks for an event that is nowhere, with how sure that is."""
    if is_searched:
        message = "no event of this event_id is stored or attributed here"
    else:
        message = (
            "no event of this event_id is in the result; if it was sent just now, or the job "
            "lags, it may still be on its way: ask again"
        )
    details = {"as_of": as_of, "log_searched": is_searched}
    return CallProblem(404, "NOT_FOUND", message, "event_id", details)
