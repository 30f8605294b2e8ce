"""The outcome of a conversion, and the reason if it is not attributed."""

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Array, Mask, values
from attribution.policy import Policy
from attribution.vocabulary import EVENT_TYPES, KIND_CODES, OBSERVED_EVENT_TYPES, Outcome, Reason

_OBSERVED_CODES = [EVENT_TYPES.index(event_type) for event_type in sorted(OBSERVED_EVENT_TYPES)]


def outcomes_of(due: pa.RecordBatch, has_touchpoint: Mask, policy: Policy) -> tuple[Array, Array]:
    """Return outcome and reason; if several reasons apply, the first in precedence."""
    outcome = np.full(due.num_rows, Outcome.ATTRIBUTED.value, dtype=object)
    reason = np.full(due.num_rows, None, dtype=object)
    # The reason that takes precedence is written last.
    for word, holds in (
        (Reason.NO_TOUCHPOINT, ~has_touchpoint),
        (Reason.TOO_OLD, is_too_old(due, policy)),
        (Reason.NO_IDENTIFIER, ~has_match_key(due, policy)),
    ):
        outcome[holds], reason[holds] = Outcome.UNATTRIBUTED.value, word.value
    observed = is_observed(due)
    outcome[observed], reason[observed] = Outcome.OBSERVED.value, None
    return outcome, reason


def is_observed(due: pa.RecordBatch) -> Mask:
    """Return a mask of event types that are only observed: counted, but never attributed."""
    return np.isin(values(due, "event_type_code"), _OBSERVED_CODES)


def is_too_old(due: pa.RecordBatch, policy: Policy) -> Mask:
    """Return a mask of events that arrived more than `max_event_delay` after they happened."""
    limit = values(due, "received_at") - policy.max_event_delay
    return values(due, "event_time") < limit


def has_match_key(due: pa.RecordBatch, policy: Policy) -> Mask:
    """Return a mask of events with a key of a kind that the policy matches on."""
    usable = sum(1 << KIND_CODES[kind] for kind in policy.match_keys)
    return values(due, "keyed") & usable != 0


def is_matchable(due: pa.RecordBatch, policy: Policy) -> Mask:
    """Return a mask of events for which candidates are looked up."""
    return ~is_observed(due) & ~is_too_old(due, policy) & has_match_key(due, policy)
