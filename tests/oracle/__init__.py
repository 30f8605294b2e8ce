"""The naive oracle: section 4 of the design, recomputed from raw files without any cleverness.

It may use the contract and the policy; it must not import dedup, match or credit of the job.
"""

from pathlib import Path

from attribution.policy import Policy
from attribution.registry import Registry
from attribution.vocabulary import Outcome

from .arrivals import Noted
from .compare import compare
from .log import read_log, read_registry
from .semantics import convert, firsts, index_by_key
from .stats import MatchStats, touchpoint_rows
from .tables import (
    Row,
    conversion_row,
    credit_rows,
    duplicate_row,
    rejection_row,
    tested_row,
)

__all__ = ["Noted", "compare", "replay_oracle"]


def replay_oracle(
    folder: Path,
    policy: Policy,
    *,
    allow_unregistered: bool = False,
    registry: Registry | None = None,
    noted: Noted | None = None,
) -> dict[str, list[Row]]:
    """Compute every table from a folder of raw streams; deltas come summed, one row per key.

    A live run has `noted` some things, and the versions of its `registry`; for a replay that of the
    folder holds for all time.
    """
    registry = registry or read_registry(folder, allow_unregistered=allow_unregistered)
    log = read_log(folder, policy, registry, noted or Noted())
    pairs = firsts(log.events, window=policy.dedup_window)
    index = index_by_key(log.impressions)
    conversions = [convert(event, index, policy) for event, first in pairs if event is first]
    duplicates = [
        (event, duplicate_row(event, first)) for event, first in pairs if event is not first
    ]
    stats = MatchStats()
    for refused in log.refused:
        stats.add_not_accepted(refused, Outcome.REJECTED)
    for tested in log.tested:
        stats.add_not_accepted(tested, Outcome.TEST)
    for event, row in duplicates:
        stats.add_duplicate(event, is_changed=row["is_changed"])
    for conversion in conversions:
        stats.add_conversion(conversion, policy)
    return {
        "conversions": [conversion_row(conversion, policy) for conversion in conversions],
        "credits": [row for c in conversions if c.path for row in credit_rows(c, policy)],
        "duplicates": [row for _, row in duplicates],
        "rejections": [rejection_row(refused) for refused in log.refused],
        "test_events": [tested_row(tested, policy) for tested in log.tested],
        "match_stats": stats.rows(),
        "touchpoint_stats": touchpoint_rows(firsts(log.impressions, window=policy.dedup_window)),
    }
