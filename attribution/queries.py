"""What DEDUP passes on: the match keys of conversions, as the questions MATCH answers."""

import numpy as np
import pyarrow as pa

from attribution.columns import keep, pick, values
from attribution.policy import Policy
from attribution.results import is_matchable
from attribution.vocabulary import KIND_CODES

_ASKED = ("event_time", "received_at", "conversion_high", "conversion_low")


def match_queries(conversions: pa.RecordBatch, policy: Policy) -> pa.RecordBatch | None:
    """Give a row per conversion and match key of a kind the policy uses; None without any.

    Conversions that cannot earn credit (observed, too old) ask nothing.
    """
    lists = conversions["match_keys"]
    offsets = lists.offsets.to_numpy()
    row = np.repeat(np.arange(len(lists)), np.diff(offsets))
    keys = lists.values.slice(offsets[0], len(row))
    kind = keys.field("kind").to_numpy()
    usable = np.isin(kind, [KIND_CODES[name] for name in policy.match_keys])
    asks = usable & is_matchable(conversions, policy)[row]
    if not asks.any():
        return None
    asked = pick(conversions.select(_ASKED), row)
    columns = {name: asked[name] for name in _ASKED} | {
        "kind": keys.field("kind"),
        "key_high": keys.field("key_high"),
        "key_low": keys.field("key_low"),
        "event_type": pa.array(values(conversions, "event_type_code")[row]),
    }
    return keep(pa.RecordBatch.from_pydict(columns), asks)
