"""The attribution rules as one immutable object, stored with every run.

No code outside `flows/` reads a setting; it receives a `Policy`.
"""

from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
)

from attribution.durations import format_duration, parse_duration
from attribution.vocabulary import EVENT_TYPES, KINDS

Duration = Annotated[
    int, BeforeValidator(parse_duration), PlainSerializer(format_duration, when_used="json")
]
"""Whole microseconds; written `30d` in settings and JSON."""

MATCHABLE: Final = KINDS[:-1]
DEFAULT_WEIGHTS: Final = {
    "click": 0.7,
    "rampid": 0.9,
    "rampid_derived": 0.8,
    "uid2": 0.9,
    "euid": 0.9,
    "id5": 0.7,
    "pairid": 0.8,
    "maid": 0.7,
    "hashed_email": 0.8,
    "hashed_phone": 0.8,
    "ip_ua": 0.3,
    "other_uid": 0.1,
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Windows(_Frozen):
    """The attribution windows of one event type; None takes the policy's default."""

    post_click: Duration | None = None
    post_view: Duration | None = None


class Policy(_Frozen):
    """Every rule of attribution that may differ between runs (durations in microseconds)."""

    post_click: Duration = parse_duration("30d")
    post_view: Duration = parse_duration("1d")
    probabilistic_window: Duration = parse_duration("24h")
    settle_delay: Duration = parse_duration("1h")
    max_event_delay: Duration = parse_duration("7d")
    dedup_window: Duration = parse_duration("7d")
    clock_skew: Annotated[Duration, Field(ge=0)] = parse_duration("5m")
    half_life: Annotated[Duration, Field(gt=0)] = parse_duration("7d")
    max_candidates: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    missing_currency: Literal["reject", "warn"] = "reject"
    match_keys: tuple[str, ...] = MATCHABLE
    weights: dict[str, Annotated[float, Field(ge=0, le=1)]] = DEFAULT_WEIGHTS
    windows: dict[str, Windows] = {}

    @field_validator("match_keys")
    @classmethod
    def _known_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(kinds)) != len(kinds) or not set(kinds) <= set(MATCHABLE):
            msg = f"each of {', '.join(MATCHABLE)} at most once; got {', '.join(kinds)}"
            raise ValueError(msg)
        return kinds

    @field_validator("weights")
    @classmethod
    def _all_weights(cls, weights: dict[str, float]) -> dict[str, float]:
        if not set(weights) <= set(KINDS):
            msg = f"weights are of {', '.join(KINDS)}; got {', '.join(weights)}"
            raise ValueError(msg)
        return DEFAULT_WEIGHTS | weights

    @field_validator("windows")
    @classmethod
    def _known_types(cls, windows: dict[str, Windows]) -> dict[str, Windows]:
        if unknown := set(windows) - set(EVENT_TYPES):
            msg = f"unknown event types: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        return windows

    def post_click_of(self, event_type: str) -> int:
        """Return the window of clicks, and of records matched by a click id."""
        own = self.windows.get(event_type, Windows()).post_click
        return self.post_click if own is None else own

    def post_view_of(self, event_type: str) -> int:
        """Return the window of impressions."""
        own = self.windows.get(event_type, Windows()).post_view
        return self.post_view if own is None else own

    @property
    def ordered_kinds(self) -> tuple[str, ...]:
        """All kinds an event may carry, strongest first; those that never match come last."""
        return self.match_keys + tuple(kind for kind in KINDS if kind not in self.match_keys)
