"""Chunks of the impressions stream to columns: DuckDB reads, proofs accept, the contract judges.

Most rows are never read by Python: only those without a vectorised proof go to the contract, row by
row. Rows of both paths form one table.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import Ints, Mask, micros_to_money, present
from attribution.columnar.frames import START
from attribution.decoded import IMPRESSIONS, Keys
from attribution.policy import Policy
from connectors.decoding.chunk import (
    Chunk,
    renumbered,
    together,
    typed,
)
from connectors.decoding.identity import Identities, string_bytes
from connectors.decoding.json_reader import IMPRESSION, parse
from connectors.decoding.judged import JudgedImpressions
from connectors.decoding.lines import Lines
from connectors.decoding.proofs import (
    Text,
    fixed_point,
    instants,
    unquoted,
)

_NAMES: Final = (
    "advertiser_id",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
)
"""Ids that repeat, and are read once per chunk."""

_REQUIRED: Final = ("advertiser_id", "impression_id", "campaign_id")
_TYPES: Final = pa.array(["impression", "click"])
_CURRENCY: Final = "^[A-Z]{3}$"
_LEAST_BYTES: Final = 100
"""A proven line is no shorter, even without the strings that are counted one by one."""


def read_impressions(lines: Lines, *, policy: Policy) -> Chunk:
    """Read and judge one chunk."""
    bulk = _Bulk(lines)
    judged = JudgedImpressions(lines, policy)
    judged.judge(np.flatnonzero(~bulk.proven))
    rows, keys = together([bulk.rows(), judged.rows()])
    arrived, stand_in = bulk.arrived, bulk.time
    for line, (received_at, time) in judged.times.items():
        arrived[line], stand_in[line] = received_at, time
    return Chunk(lines, rows, keys, judged.refused, [], arrived, stand_in, judged.is_record)


class _Bulk:
    """The columns of a chunk, and which rows are proven."""

    def __init__(self, lines: Lines) -> None:
        readable = lines.strict()
        self._leaves = parse(lines.as_text(readable), IMPRESSION)
        self._ids = {name: self._leaves[name].dictionary_encode() for name in _NAMES}
        self._ids["impression_id"] = self._leaves["impression_id"]
        self._identities = Identities(self._leaves["user_match"])
        self.time, has_time = instants(self._leaves["time"])
        self.arrived, has_arrival = instants(self._leaves["received_at"])
        self._spend, has_spend = fixed_point(self._leaves["price"])
        never = ~self._there("received_at")
        self.arrived[never] = START
        self.proven = (
            readable
            & self._identities.is_spelled
            & has_time
            & (has_arrival | never)
            & has_spend
            & self._has_sound_texts()
        )
        self.proven &= lines.shallow(self.proven, self._text_bytes())

    def _there(self, name: str) -> Mask:
        return present(self._leaves[name])

    def _text_bytes(self) -> Ints:
        own = Text.in_quotes(self._leaves["impression_id"]).length + _LEAST_BYTES
        return own + string_bytes(self._leaves["user_match"])

    def _has_sound_texts(self) -> Mask:
        currency = pc.match_substring_regex(self._leaves["currency"], _CURRENCY)
        good: Mask = currency.fill_null(True).to_numpy(zero_copy_only=False)  # noqa: FBT003
        good &= pc.is_in(self._leaves["type"], value_set=_TYPES).to_numpy(zero_copy_only=False)
        for name in _REQUIRED:
            good &= self._there(name)
        for name, column in self._ids.items():
            self._ids[name], sound = unquoted(column)
            good &= sound
        return good

    def rows(self) -> tuple[pa.RecordBatch, Keys]:
        """Return the proven rows, with their keys."""
        paid = self._there("price") & self._there("currency")
        columns = self._ids | {
            "line": pa.array(np.arange(len(paid))),
            "is_click": pc.equal(self._leaves["type"], "click"),
            "time": pa.array(self.time),
            "received_at": pa.array(self.arrived),
            "spend": micros_to_money(self._spend, paid),
            "currency": pc.if_else(pa.array(paid), self._leaves["currency"], None),
        }
        keys = renumbered(self._identities.keys, self.proven)
        return typed(columns, IMPRESSIONS, self.proven), keys
