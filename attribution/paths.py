"""Turns eligible records into touchpoints: merges by impression, ranks, and sorts by path.

The rules are in the design's semantics: "Candidates" (the last three sentences) and "Winner and
credit". All of it is arithmetic on sorted segments.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import (
    Array,
    Ints,
    Mask,
    lengths_of,
    pick,
    ranks,
    starts_of,
    values,
)
from attribution.policy import Policy
from attribution.vocabulary import KIND_CODES, KINDS

_CLICK = KIND_CODES["click"]


@dataclass(frozen=True, slots=True)
class Touchpoints:
    """Candidates in path order, conversion after conversion.

    `records` has the record that represents each (impression_id, time, campaign_id, ...). Per row,
    `owner` is the row of the conversion and `strength` the rank of the strongest kind of key it was
    matched by (0 is strongest). `start` are the rows that begin a path; `limited` are the rows of
    conversions that hit a limit.
    """

    records: pa.RecordBatch
    owner: Ints
    strength: Ints
    is_click: Mask
    is_probabilistic: Mask
    wins: Mask
    position: Ints
    length: Ints
    start: Ints
    limited: Ints


def merge(found: pa.RecordBatch, owner: Ints, policy: Policy) -> Touchpoints:
    """Make touchpoints of eligible records; `owner` is the row of each record's conversion."""
    limited = np.unique(owner[values(found, "limited")])
    group = _group_by_impression(found, owner)
    touchpoints = _Candidates(found, owner, group, policy)
    order = touchpoints.path_order()
    beyond = touchpoints.beyond_limit(order, policy.max_candidates)
    if beyond.any():
        limited = np.union1d(limited, touchpoints.owner[order[beyond]])
        order = order[~beyond]
    return touchpoints.in_order(order, limited)


def _group_by_impression(found: pa.RecordBatch, owner: Ints) -> tuple[Ints, Ints]:
    """Return the order of the rows by (conversion, impression), and where each group starts."""
    encoded = found["impression_id"].dictionary_encode()
    code = encoded.indices.to_numpy().astype(np.int64)
    both = owner * len(encoded.dictionary) + code
    order = np.argsort(both)
    return order, starts_of(both[order])


class _Candidates:
    """One row per (conversion, impression): the merged touchpoints, in no particular order."""

    def __init__(
        self, found: pa.RecordBatch, owner: Ints, group: tuple[Ints, Ints], policy: Policy
    ) -> None:
        order, starts = group
        rows = pick(found, order)
        strengths = _strengths(policy)[values(rows, "kind")]
        by_click = values(rows, "is_click") | (values(rows, "kind") == _CLICK)
        self.records = pick(rows, _representatives(rows, starts))
        self.owner = owner[order[starts]]
        self.strength = np.minimum.reduceat(strengths, starts)
        self.is_click = np.logical_or.reduceat(by_click, starts)
        # All kinds must be ip_ua; the strongest alone says nothing, as the policy sets the order.
        is_ip_ua = values(rows, "kind") == KIND_CODES["ip_ua"]
        self.is_probabilistic = np.logical_and.reduceat(is_ip_ua, starts)
        self.time = values(self.records, "time")
        self._name = self._name_ranks()

    def _name_ranks(self) -> Ints:
        """Rank impression ids where they break ties: among candidates with the same time."""
        rank = np.zeros(len(self.time), dtype=np.int64)
        order = np.lexsort((self.time, self.owner))
        time, owner = self.time[order], self.owner[order]
        alike = (time[1:] == time[:-1]) & (owner[1:] == owner[:-1])
        tied = order[np.r_[alike, False] | np.r_[False, alike]]
        if len(tied):
            names = self.records["impression_id"].take(pa.array(tied))
            rank[tied] = pc.rank(names, tiebreaker="dense").to_numpy()
        return rank

    def path_order(self) -> Ints:
        """Return the rows by conversion, then earliest first by (time, impression_id)."""
        return np.lexsort((self._name, self.time, self.owner))

    def beyond_limit(self, order: Ints, limit: int) -> Mask:
        """Return a mask of rows, in path order, that are not among the best `limit` of theirs."""
        beyond = np.zeros(len(order), dtype=bool)
        owner = self.owner[order]
        starts = starts_of(owner)
        if len(owner) == 0 or lengths_of(starts, len(owner)).max() <= limit:
            return beyond
        best_first = np.lexsort((*self._worse(order), owner))
        nth = np.arange(len(owner)) - np.repeat(starts, lengths_of(starts, len(owner)))
        beyond[best_first] = nth >= limit
        return beyond

    def _worse(self, order: Ints) -> tuple[Ints, ...]:
        """Return lexsort keys (the last is the primary) that put better touchpoints first."""
        kind = 2 * self.is_click[order] + ~self.is_probabilistic[order]
        return self._name[order], -self.time[order], -kind

    def in_order(self, order: Ints, limited: Ints) -> Touchpoints:
        """Return the touchpoints in path order, with the winner of each path marked."""
        owner = self.owner[order]
        start = starts_of(owner)
        length = lengths_of(start, len(owner))
        best_first = np.lexsort((*self._worse(order), owner))
        wins = np.zeros(len(owner), dtype=bool)
        wins[best_first[start]] = True
        return Touchpoints(
            records=pick(self.records, order),
            owner=owner,
            strength=self.strength[order],
            is_click=self.is_click[order],
            is_probabilistic=self.is_probabilistic[order],
            wins=wins,
            position=np.arange(len(owner)) - np.repeat(start, length) + 1,
            length=np.repeat(length, length),
            start=start,
            limited=limited,
        )


def _strengths(policy: Policy) -> Array:
    """Return the rank of each kind code in the policy's order."""
    strength = np.full(len(KINDS), len(KINDS))
    for rank, kind in enumerate(policy.match_keys):
        strength[KIND_CODES[kind]] = rank
    return strength


def _representatives(rows: pa.RecordBatch, starts: Ints) -> Ints:
    """Return the row that represents each group: its first click, else its first record."""
    chosen = starts.copy()
    lengths = lengths_of(starts, rows.num_rows)
    offset, part = values(rows, "source_offset"), ranks(rows["source_partition"])
    head = np.repeat(starts, lengths)
    differs = (offset != offset[head]) | (part != part[head])
    mixed = np.flatnonzero(np.logical_or.reduceat(differs, starts))
    if len(mixed) == 0:
        return chosen
    inside = np.flatnonzero(np.isin(head, starts[mixed]))
    order = inside[
        np.lexsort(
            (
                offset[inside],
                part[inside],
                values(rows, "received_at")[inside],
                values(rows, "time")[inside],
                ~values(rows, "is_click")[inside],
                head[inside],
            )
        )
    ]
    chosen[mixed] = order[starts_of(head[order])]
    return chosen
