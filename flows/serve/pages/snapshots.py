"""What viewers see: a page as of a commit, made once for all who look at it.

A new commit does not make a page at once. Making one takes a quarter of the time at most, however
long one takes and however many people look; until then everybody sees the page of before.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import msgspec

from flows.report.messages import Rendered, Wanted

KEPT_MAX: Final = 16
"""Pages that are kept; the one that nobody has asked for the longest goes first."""

LOOK_SECONDS: Final = 1.0
"""How often a page that is being looked at is compared with the last commit."""

REST: Final = 3
"""Making a page is followed by so many times as much time without it."""

REST_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A page as of a commit; with a `problem` the one before it, if there was one."""

    parts: dict[str, str] = field(default_factory=dict)
    version: str = ""
    commit: int = 0
    made_at: datetime | None = None
    is_running: bool = False
    problem: str = ""


@dataclass(slots=True)
class _Kept:
    snapshot: Snapshot = field(default_factory=Snapshot)
    due: float = 0.0
    making: "asyncio.Task[None] | None" = None


class Snapshots:
    """The pages that are being looked at; used by one event loop."""

    def __init__(self, render: Callable[[Wanted], Awaitable[Rendered]]) -> None:
        """Take what renders a page."""
        self._render = render
        self._kept: OrderedDict[Wanted, _Kept] = OrderedDict()

    async def latest(self, wanted: Wanted, patience: float) -> Snapshot:
        """Return a page as of the last commit, or after so many seconds as of an earlier one."""
        kept = self._kept.setdefault(wanted, _Kept())
        self._kept.move_to_end(wanted)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        if kept.making is None and monotonic() >= kept.due:
            kept.making = asyncio.create_task(self._make(wanted, kept))
        if kept.making is not None:
            await asyncio.wait({kept.making}, timeout=patience)
        return kept.snapshot

    async def _make(self, wanted: Wanted, kept: _Kept) -> None:
        began = monotonic()
        try:
            have = kept.snapshot.version
            answer = await self._render(msgspec.structs.replace(wanted, have=have))
            kept.snapshot = _after(kept.snapshot, answer)
            rest = REST * (monotonic() - began) if answer.parts is not None else 0.0
            kept.due = monotonic() + min(max(LOOK_SECONDS, rest), REST_SECONDS_MAX)
        finally:
            kept.making = None


def _after(before: Snapshot, answer: Rendered) -> Snapshot:
    """Return the page that follows from an answer."""
    if answer.problem:
        return replace(before, problem=answer.problem, is_running=False)
    if answer.parts is None:
        return replace(before, problem="", is_running=answer.is_running)
    now = datetime.now(UTC)
    return Snapshot(answer.parts, answer.version, answer.commit, now, answer.is_running)
