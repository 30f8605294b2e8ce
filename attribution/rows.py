"""The rows of the result tables `conversions` and `credits`.

Column names and types are those of `connectors/database/schema.sql`.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import (
    billionths_to_share,
    micros_to_money,
    money_to_micros,
    pick,
    present,
    timestamps,
    values,
)
from attribution.outcomes import outcomes_of
from attribution.paths import Touchpoints
from attribution.policy import Policy
from attribution.quality import carries_column, quality_column, warnings_column
from attribution.shares import Paths, earned, shares
from attribution.vocabulary import (
    Outcome,
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


def conversion_rows(
    due: pa.RecordBatch, touchpoints: Touchpoints | None, policy: Policy
) -> pa.RecordBatch:
    """Return one row per conversion: the event as sent, and its outcome."""
    won = _Winners(due.num_rows, touchpoints, policy)
    outcome, reason = outcomes_of(due, won.length > 0, policy)
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
    """The best-ranked touchpoint of each conversion, aligned with the rows of `due`."""

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


def credit_rows(due: pa.RecordBatch, touchpoints: Touchpoints, policy: Policy) -> pa.RecordBatch:
    """Return one row per conversion and touchpoint, with the share and value of each model."""
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
