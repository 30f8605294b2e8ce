"""The rows analysts read: conversions and credits, in the columns of the tables.

Column names and types are those of `connectors/database/schema.sql`; this module only fills them.
"""

from functools import lru_cache
from math import floor
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columns import (
    Array,
    Mask,
    billionths_to_share,
    micros_to_money,
    money_to_micros,
    pick,
    present,
    timestamps,
    values,
)
from attribution.paths import Touchpoints
from attribution.policy import Policy
from attribution.shares import Paths, earned, shares
from attribution.vocabulary import (
    EVENT_TYPES,
    KIND_CODES,
    OBSERVED_EVENT_TYPES,
    Outcome,
    Reason,
    Warn,
)

_AS_DECODED = (
    "conversion_id",
    "advertiser_id",
    "event_source_id",
    "event_type",
    "custom_event_name",
    "event_id",
    "action_source",
    "event_source_host",
    "value",
    "currency",
    "order_id",
    "num_items",
    "content_ids",
    "custom_data",
    "source_partition",
    "source_offset",
    "source_index",
    "dropped",
)
_OF_CONVERSION = ("conversion_id", "advertiser_id", "event_time", "value", "currency")
_OF_RECORD = ("impression_id", "campaign_id", "media_buy_id", "package_id", "creative_id")
_OBSERVED_CODES = [EVENT_TYPES.index(event_type) for event_type in sorted(OBSERVED_EVENT_TYPES)]


_QUALITY_STEPS: Final = 1e12
"""A quality has twelve decimals, so that a sum of qualities can be one of decimals, and exact."""


@lru_cache(maxsize=4096)
def match_quality(carries: int, policy_weights: tuple[tuple[str, float], ...]) -> float:
    """Return `1 - prod(1 - w)` over the kinds in the bit mask, in the order of the weights.

    Each step is one operation on doubles, so that every machine comes to the same last digit.
    """
    missed = 1.0
    for kind, weight in policy_weights:
        if carries >> KIND_CODES[kind] & 1:
            missed *= 1.0 - weight
    return floor((1.0 - missed) * _QUALITY_STEPS + 0.5) / _QUALITY_STEPS


def quality(carries: int, policy: Policy) -> float:
    """match_quality of one mask of kinds."""
    return match_quality(carries, _weights(policy))


def _weights(policy: Policy) -> tuple[tuple[str, float], ...]:
    return tuple((kind, policy.weights[kind]) for kind in policy.ordered_kinds)


def kinds_of(carries: int, policy: Policy) -> list[str]:
    """Spell out the kinds in a bit mask, strongest first."""
    return [kind for kind in policy.ordered_kinds if carries >> KIND_CODES[kind] & 1]


def quality_column(carries: Array, policy: Policy) -> Array:
    """match_quality of each mask; few masks occur, so each is computed once."""
    weights = _weights(policy)
    masks, which = np.unique(carries, return_inverse=True)
    return np.array([match_quality(mask, weights) for mask in masks.tolist()], dtype=float)[which]


def carries_column(carries: Array, policy: Policy) -> pa.Array:
    """Kinds of each mask as lists of names."""
    masks, which = np.unique(carries, return_inverse=True)
    lists = [kinds_of(mask, policy) for mask in masks.tolist()]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(which))


def warnings_column(warnings: Array) -> pa.Array:
    """Warnings of each mask as lists of names; null where there are none."""
    masks, which = np.unique(warnings, return_inverse=True)
    lists = [
        [word for bit, word in enumerate(Warn) if mask >> bit & 1] or None
        for mask in masks.tolist()
    ]
    return pa.array(lists, pa.list_(pa.string())).take(pa.array(which))


def conversion_rows(
    due: pa.RecordBatch, touchpoints: Touchpoints | None, policy: Policy
) -> pa.RecordBatch:
    """One row per conversion: what was sent, and what came of it."""
    won = _Winners(due.num_rows, touchpoints, policy)
    outcome, reason = _outcomes(due, won.length > 0, policy)
    attributed = outcome == Outcome.ATTRIBUTED
    event_time = values(due, "event_time")
    seconds = (event_time - won.time) / 1e6
    carries = values(due, "carries")
    columns = {name: due[name] for name in _AS_DECODED} | {
        "event_time": timestamps(event_time),
        "received_at": timestamps(values(due, "received_at")),
        "outcome": pa.array(outcome, pa.string()),
        "reason": pa.array(reason, pa.string()),
        "matched_on": pa.array(won.matched_on, pa.string(), mask=~attributed),
        "touch_type": pa.array(won.touch_type, pa.string(), mask=~attributed),
        "is_probabilistic": pa.array(won.is_probabilistic, mask=~attributed),
        "path_length": pa.array(np.where(attributed, won.length, 0).astype(np.int32)),
        "seconds_to_convert": pa.array(seconds, mask=~attributed),
        "carries": carries_column(carries, policy),
        "match_quality": pa.array(quality_column(carries, policy)),
        "is_limited": pa.array(won.limited),
        "warnings": warnings_column(values(due, "warnings")),
    }
    return pa.RecordBatch.from_pydict(columns)


class _Winners:
    """Per conversion: its best-ranked touchpoint, spread over all rows of `due`."""

    def __init__(self, count: int, touchpoints: Touchpoints | None, policy: Policy) -> None:
        self.length = np.zeros(count, dtype=np.int64)
        self.time = np.zeros(count, dtype=np.int64)
        self.is_click = np.zeros(count, dtype=bool)
        self.is_probabilistic = np.zeros(count, dtype=bool)
        self.limited = np.zeros(count, dtype=bool)
        strength = np.zeros(count, dtype=np.int64)
        if touchpoints is not None:
            wins = touchpoints.wins
            owner = touchpoints.owner[wins]
            self.length[owner] = touchpoints.length[wins]
            self.time[owner] = values(touchpoints.records, "time")[wins]
            self.is_click[owner] = touchpoints.is_click[wins]
            self.is_probabilistic[owner] = touchpoints.is_probabilistic[wins]
            self.limited[touchpoints.limited] = True
            strength[owner] = touchpoints.strength[wins]
        self.touch_type = np.where(self.is_click, "click", "view")
        self.matched_on = np.array(policy.ordered_kinds, dtype=object)[strength]


def _outcomes(due: pa.RecordBatch, has_touchpoint: Mask, policy: Policy) -> tuple[Array, Array]:
    """Outcome and reason; of several reasons the first that holds."""
    outcome = np.full(due.num_rows, Outcome.ATTRIBUTED.value, dtype=object)
    reason = np.full(due.num_rows, None, dtype=object)
    # The first that holds is written last.
    for word, holds in (
        (Reason.NO_TOUCHPOINT, ~has_touchpoint),
        (Reason.TOO_OLD, is_too_old(due, policy)),
        (Reason.NO_IDENTIFIER, ~has_match_key(due, policy)),
    ):
        outcome[holds], reason[holds] = Outcome.UNATTRIBUTED.value, word.value
    observed = _is_observed(due)
    outcome[observed], reason[observed] = Outcome.OBSERVED.value, None
    return outcome, reason


def _is_observed(due: pa.RecordBatch) -> Mask:
    return np.isin(values(due, "event_type_code"), _OBSERVED_CODES)


def is_too_old(due: pa.RecordBatch, policy: Policy) -> Mask:
    """Whether an event arrived later after it happened than the policy accepts."""
    limit = values(due, "received_at") - policy.max_event_delay
    return values(due, "event_time") < limit


def has_match_key(due: pa.RecordBatch, policy: Policy) -> Mask:
    """Whether an event has a key of a kind that the policy matches on."""
    usable = sum(1 << KIND_CODES[kind] for kind in policy.match_keys)
    return values(due, "keyed") & usable != 0


def is_matchable(due: pa.RecordBatch, policy: Policy) -> Mask:
    """Whether candidates are to be looked for at all."""
    return ~_is_observed(due) & ~is_too_old(due, policy) & has_match_key(due, policy)


def credit_rows(due: pa.RecordBatch, touchpoints: Touchpoints, policy: Policy) -> pa.RecordBatch:
    """One row per conversion and touchpoint, with the share and value of each model."""
    owner, records = touchpoints.owner, touchpoints.records
    mine = pick(due.select(_OF_CONVERSION), owner)
    event_time = values(mine, "event_time")
    paths = Paths(
        position=touchpoints.position,
        length=touchpoints.length,
        start=touchpoints.start,
        wins=touchpoints.wins,
        age=event_time - values(records, "time"),
    )
    has_value, micros = present(mine["value"]), money_to_micros(mine["value"])
    part = shares(paths, half_life=policy.half_life)
    kinds = np.array(policy.ordered_kinds, dtype=object)
    columns = {
        "conversion_id": mine["conversion_id"],
        "advertiser_id": mine["advertiser_id"],
        "event_time": timestamps(event_time),
        **{name: records[name] for name in _OF_RECORD},
        "type": pc.if_else(pa.array(touchpoints.is_click), "click", "impression"),
        "time": timestamps(values(records, "time")),
        "matched_on": pa.array(kinds[touchpoints.strength], pa.string()),
        "is_probabilistic": pa.array(touchpoints.is_probabilistic),
        "position": pa.array(touchpoints.position.astype(np.int32)),
        "path_length": pa.array(touchpoints.length.astype(np.int32)),
        **{model: billionths_to_share(share) for model, share in part.items()},
        **{
            f"{model}_value": micros_to_money(earned(share, paths, micros), has_value)
            for model, share in part.items()
        },
        "currency": pc.if_else(pa.array(has_value), mine["currency"].cast(pa.string()), None),
    }
    return pa.RecordBatch.from_pydict(columns)
