"""By what lanes of a run decode, and how far they carry watermarks."""

from collections.abc import Callable
from dataclasses import dataclass

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.dead_letters.limit import DeadLetterLimit
from connectors.hashing import DEFAULT_SALTS, Salts
from connectors.registry.follow import Followed

Clock = Callable[[], int]
"""Gives the time in microseconds since the epoch."""


def _ignore(_stream: str, _records: int, _watermark: int) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What lanes decode and promise by; durations are in microseconds.

    Documents refused as a whole become dead letters where `dead_letters` sets a limit to them.
    `follow` gives, for its number, the registry that a lane follows: it judges events by that one,
    while it is up to date. One of the lanes gives its news, for there is one table.
    `on_read` is told stream, documents and promise of all that a lane gives, from any thread.
    """

    policy: Policy
    registry: Registry
    clock: Clock
    idle_grace: int
    watermark_interval: int
    salts: Salts = DEFAULT_SALTS
    on_read: Callable[[str, int, int], None] = _ignore
    dead_letters: DeadLetterLimit | None = None
    follow: Callable[[int], Followed] | None = None
