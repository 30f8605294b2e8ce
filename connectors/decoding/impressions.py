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
from connectors.decoding.identity import bytes_of, identify
from connectors.decoding.json_reader import IMPRESSION_IDS, impression, parse
from connectors.decoding.judged import JudgedImpressions
from connectors.decoding.lines import Lines
from connectors.decoding.proofs import (
    Text,
    fixed_point,
    instants,
    is_short_string,
    surely_string,
    unquoted,
)

_ID: Final = 256
_REQUIRED: Final = ("advertiser_id", "impression_id", "campaign_id")
_SAMPLE: Final = 64
"""Lines of a chunk that are sampled to choose how its ids are read."""
_DOUBTFUL: Final = 0.05
"""Share of sampled lines from which an id that could be a number is read with its quotes."""
_FEW: Final = 8_000
"""Up to so many lines, reading all quotes costs less than sampling."""
_TYPES: Final = pa.array(["impression", "click"])
_CURRENCY: Final = "^[A-Z]{3}$"


def read_impressions(lines: Lines, *, policy: Policy) -> Chunk:
    """Read and judge one chunk."""
    bulk = _Bulk(lines)
    judged = JudgedImpressions(lines, policy)
    judged.judge(np.flatnonzero(~bulk.proven))
    rows, keys = together([bulk.rows(), judged.rows()])
    arrived, stand_in = bulk.arrived, bulk.time
    for line, (received_at, time) in judged.times.items():
        arrived[line], stand_in[line] = received_at, time
    return Chunk(rows, keys, judged.refused, [], arrived, stand_in, judged.is_record)


class _Bulk:
    """The columns of a chunk, and which rows are proven."""

    def __init__(self, lines: Lines) -> None:
        readable = lines.strict()
        text = lines.as_text(readable)
        self._quoted = _like_numbers(text)
        self._leaves = parse(text, impression(self._quoted))
        self._ids = {
            name: self._leaves[name]
            if name == "impression_id"
            else self._leaves[name].dictionary_encode()
            for name in IMPRESSION_IDS
        }
        self._identities = identify(self._leaves["user_match"])
        self.time, has_time = instants(self._leaves["time"])
        self.arrived, has_arrival = instants(self._leaves["received_at"])
        self._spend, has_spend = fixed_point(self._leaves["price"])
        never = ~self._there("received_at")
        self.arrived[never] = START
        self.proven = (
            readable
            & self._identities.proven
            & has_time
            & (has_arrival | never)
            & has_spend
            & self._has_sound_texts()
        )
        self.proven &= lines.shallow(self.proven, self._leaf_bytes())

    def _there(self, name: str) -> Mask:
        return present(self._leaves[name])

    def _leaf_bytes(self) -> Ints:
        texts = (column for column in self._leaves.columns if column.type == pa.string())
        return sum((Text.of(text).length for text in texts), bytes_of(self._leaves["user_match"]))

    def _has_sound_texts(self) -> Mask:
        currency = pc.match_substring_regex(self._leaves["currency"], _CURRENCY)
        good: Mask = currency.fill_null(True).to_numpy(zero_copy_only=False)  # noqa: FBT003
        good &= pc.is_in(self._leaves["type"], value_set=_TYPES).to_numpy(zero_copy_only=False)
        for name in _REQUIRED:
            good &= self._there(name)
        for name, column in self._ids.items():
            if name in self._quoted:
                self._ids[name], sound = unquoted(column, _ID)
            else:
                sound = is_short_string(column, _ID)
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


def _like_numbers(text: pa.Array) -> list[str]:
    """Return the ids that look like numbers, according to a sample from all over the chunk.

    Only quotes distinguish such an id from a number, but reading ids with quotes takes longer. If
    the sample is not representative, the proofs leave more rows to the contract.
    """
    if len(text) <= _FEW:
        return list(IMPRESSION_IDS)
    rows = np.arange(0, len(text), len(text) // _SAMPLE)
    leaves = parse(text.take(pa.array(rows)), impression(()))
    return [name for name in IMPRESSION_IDS if (~surely_string(leaves[name])).mean() > _DOUBTFUL]
