"""By what lanes of a run decode, and how far they carry watermarks."""

from collections.abc import Callable
from dataclasses import dataclass

from attribution.policy import Policy
from attribution.registry import Registry
from connectors.dead_letters.limit import DeadLetterLimit
from connectors.hashing import DEFAULT_SALTS, Salts
from connectors.registry.follow import Followed

Clock = Callable[[], int]
"""Returns the time in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings by which lanes decode and advance watermarks; durations are in microseconds.

    Documents refused as a whole become dead letters if `dead_letters` limits their number.
    `follow` returns the registry that a lane follows, by the lane's number; the lane judges events
    by it while it is up to date. Only one lane reports changes, because there is one table.
    `on_read` is called with stream, documents and watermark of each chunk, from any thread.
    """

    policy: Policy
    registry: Registry
    clock: Clock
    idle_grace: int
    watermark_interval: int
    salts: Salts = DEFAULT_SALTS
    on_read: Callable[[str, int, int], None] = lambda *_: None
    dead_letters: DeadLetterLimit | None = None
    follow: Callable[[int], Followed] | None = None
