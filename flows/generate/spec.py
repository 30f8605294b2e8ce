"""What to generate, and what was generated: plain values, without randomness or files."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from connectors.errors import OperatorError

_SHARES = ("bad", "duplicate", "test", "late", "bots")
_USER_IMPRESSIONS = 20  # per user by default: a reader of a few sites over two weeks
_USERS_MIN = 25


class SpecError(OperatorError, ValueError):
    """The specification of a log is invalid; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSpec:
    """The size and the faults of a synthetic log. Shares are between 0 and 1.

    `impressions` counts records (lines) of the impression stream, clicks among them; `events`
    counts events, not envelopes. Both include the bad records and the duplicates.
    """

    seed: int = 1
    events: int = 20_000
    impressions: int = 100_000
    users: int | None = None
    advertisers: int = 8
    days: int = 14
    start: date = date(2026, 4, 1)
    files: int = 1
    envelope_size: int = 5
    bad: float = 0.01
    duplicate: float = 0.01
    test: float = 0.005
    late: float = 0.02
    bots: float = 0.005
    truth: bool = False

    def __post_init__(self) -> None:
        """Validate the sizes; raises SpecError."""
        for name in ("advertisers", "days", "files", "envelope_size"):
            _check(name, getattr(self, name) >= 1, "at least 1", getattr(self, name))
        for name in ("seed", "events", "impressions"):
            _check(name, getattr(self, name) >= 0, "at least 0", getattr(self, name))
        for name in _SHARES:
            _check(name, 0 <= getattr(self, name) < 1, "in [0, 1)", getattr(self, name))
        _check("users", self.users is None or self.users >= 1, "at least 1", self.users)

    @property
    def people(self) -> int:
        """The number of users, without bots."""
        return self.users or max(_USERS_MIN, self.impressions // _USER_IMPRESSIONS)

    @property
    def start_ms(self) -> int:
        """The first instant of the log, in milliseconds since the epoch, UTC."""
        midnight = datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)
        return int(midnight.timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Truth:
    """Counts of the generated records. Duplicates, rejected, test and the rest never overlap."""

    seed: int
    impressions: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)


def _check(name: str, holds: bool, expected: str, got: object) -> None:  # noqa: FBT001
    if not holds:
        msg = f"{name} must be {expected}; got {got}"
        raise SpecError(msg)
