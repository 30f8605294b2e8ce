"""Section 4 of the design in plain loops: dedup, candidates, rank, outcome.

It knows decoded records and the policy; nothing of files, of tables, or of how the job does it.
Instants and durations are microseconds.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from attribution.contract.verdicts import EventRecord, ImpressionRecord
from attribution.policy import Policy
from attribution.vocabulary import OBSERVED_EVENT_TYPES, Outcome, Reason


@dataclass(frozen=True, slots=True)
class Event:
    """An accepted event that is no test, where it lay, and its effective `received_at`."""

    partition: str
    offset: int
    index: int
    received_at: int
    advertiser_id: str
    event_source_id: str
    record: EventRecord

    @property
    def order(self) -> tuple[int, str, int, int]:
        """The order of arrival."""
        return (self.received_at, self.partition, self.offset, self.index)

    @property
    def dedup_key(self) -> tuple[str, ...]:
        """What a resend has in common with its original."""
        record = self.record
        return (self.advertiser_id, self.event_source_id, record.event_type, record.event_id)


@dataclass(frozen=True, slots=True)
class Impression:
    """An accepted impression or click record, where it lay, and its effective `received_at`."""

    partition: str
    offset: int
    received_at: int
    record: ImpressionRecord

    @property
    def order(self) -> tuple[int, str, int]:
        """The order of arrival."""
        return (self.received_at, self.partition, self.offset)

    @property
    def dedup_key(self) -> tuple[str, ...]:
        """What a repeat has in common with its original."""
        return (self.record.advertiser_id, self.record.impression_id, self.record.type)


class Arrived(Protocol):
    """What dedup needs to know of a record."""

    @property
    def received_at(self) -> int:
        """The effective instant of arrival."""

    @property
    def order(self) -> tuple[int | str, ...]:
        """The order of arrival."""

    @property
    def dedup_key(self) -> tuple[str, ...]:
        """What copies have in common."""


AnyArrived = TypeVar("AnyArrived", bound=Arrived)


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """All eligible records of one impression, as one; `record` says when and for which ad."""

    record: ImpressionRecord
    is_click: bool
    matched_on: str
    is_probabilistic: bool


@dataclass(frozen=True, slots=True)
class Conversion:
    """A unique event and what became of it; `path` holds its candidates, earliest first."""

    event: Event
    outcome: Outcome
    reason: Reason | None = None
    path: tuple[Touchpoint, ...] = ()
    winner: int | None = None
    is_limited: bool = False


Index = dict[tuple[str, str, str], list[Impression]]
"""Impression records by `(advertiser_id, kind, value)`."""

Matched = tuple[Impression, str]
"""An eligible record and the kind of the key it is eligible through."""


def firsts(items: Iterable[AnyArrived], *, window: int) -> list[tuple[AnyArrived, AnyArrived]]:
    """Pair every item, in order of arrival, with the first of its key (itself when unique)."""
    holders: dict[tuple[str, ...], AnyArrived] = {}
    pairs = []
    for item in sorted(items, key=lambda item: item.order):
        first = holders.get(item.dedup_key)
        if first is None or item.received_at >= first.received_at + window:
            first = holders[item.dedup_key] = item
        pairs.append((item, first))
    return pairs


def index_by_key(impressions: Iterable[Impression]) -> Index:
    """List the records under each of their match keys."""
    index: Index = defaultdict(list)
    for impression in impressions:
        for kind, value in impression.record.match_keys:
            index[impression.record.advertiser_id, kind, value].append(impression)
    return index


def convert(event: Event, index: Index, policy: Policy) -> Conversion:
    """Decide what becomes of a unique event."""
    if event.record.event_type in OBSERVED_EVENT_TYPES:
        return Conversion(event, Outcome.OBSERVED)
    if not _usable_keys(event.record, policy):
        return Conversion(event, Outcome.UNATTRIBUTED, Reason.NO_IDENTIFIER)
    if event.record.event_time < event.received_at - policy.max_event_delay:
        return Conversion(event, Outcome.UNATTRIBUTED, Reason.TOO_OLD)
    return _match(event, index, policy)


def _match(event: Event, index: Index, policy: Policy) -> Conversion:
    matched, keys_limited = _eligible(event, index, policy)
    touchpoints = sorted(_touchpoints(matched, policy), key=_rank)
    kept = touchpoints[: policy.max_candidates]
    if not kept:
        return Conversion(event, Outcome.UNATTRIBUTED, Reason.NO_TOUCHPOINT)
    path = tuple(sorted(kept, key=lambda t: (t.record.time, t.record.impression_id)))
    return Conversion(
        event,
        Outcome.ATTRIBUTED,
        path=path,
        winner=path.index(kept[0]),
        is_limited=keys_limited or len(kept) < len(touchpoints),
    )


def _usable_keys(record: EventRecord, policy: Policy) -> list[tuple[str, str]]:
    return [(kind, value) for kind, value in record.match_keys if kind in policy.match_keys]


def _eligible(event: Event, index: Index, policy: Policy) -> tuple[list[Matched], bool]:
    """Return the eligible records of every key, and whether a key had more than the limit."""
    matched: list[Matched] = []
    is_limited = False
    for kind, value in _usable_keys(event.record, policy):
        records = [
            impression
            for impression in index.get((event.advertiser_id, kind, value), ())
            if _is_eligible(impression, event, kind=kind, policy=policy)
        ]
        records.sort(key=lambda i: (i.record.time, i.record.impression_id, i.order), reverse=True)
        matched += [(impression, kind) for impression in records[: policy.max_candidates]]
        is_limited = is_limited or len(records) > policy.max_candidates
    return matched, is_limited


def _is_eligible(impression: Impression, event: Event, *, kind: str, policy: Policy) -> bool:
    begin = impression.record.time
    end = begin + _window(impression, event.record.event_type, kind=kind, policy=policy)
    known_in_time = impression.received_at < event.received_at + policy.settle_delay
    return known_in_time and begin <= event.record.event_time < end


def _window(impression: Impression, event_type: str, *, kind: str, policy: Policy) -> int:
    proves_click = impression.record.type == "click" or kind == "click"
    window = policy.post_click_of(event_type) if proves_click else policy.post_view_of(event_type)
    return min(window, policy.probabilistic_window) if kind == "ip_ua" else window


def _touchpoints(matched: Iterable[Matched], policy: Policy) -> list[Touchpoint]:
    by_impression: dict[str, list[Matched]] = defaultdict(list)
    for impression, kind in matched:
        by_impression[impression.record.impression_id].append((impression, kind))
    return [_touchpoint(members, policy) for members in by_impression.values()]


def _touchpoint(matched: Sequence[Matched], policy: Policy) -> Touchpoint:
    kinds = {kind for _, kind in matched}
    clicks = [impression for impression, _ in matched if impression.record.type == "click"]
    records = clicks or [impression for impression, _ in matched]
    return Touchpoint(
        record=min(records, key=lambda i: (i.record.time, i.order)).record,
        is_click=bool(clicks) or "click" in kinds,
        matched_on=min(kinds, key=policy.match_keys.index),
        is_probabilistic=kinds == {"ip_ua"},
    )


def _rank(touchpoint: Touchpoint) -> tuple[bool, bool, int, str]:
    """Sort the best first: click, deterministic, latest, smallest id."""
    record = touchpoint.record
    return (
        not touchpoint.is_click,
        touchpoint.is_probabilistic,
        -record.time,
        record.impression_id,
    )


def match_quality(carries: Iterable[str], policy: Policy) -> float:
    """Return how likely such identifiers find a person, 0 to 1, at 12 decimals, half up."""
    missed = 1.0
    carried = set(carries)
    for kind in policy.ordered_kinds:
        if kind in carried:
            missed *= 1.0 - policy.weights[kind]
    return math.floor((1.0 - missed) * 1e12 + 0.5) / 1e12
