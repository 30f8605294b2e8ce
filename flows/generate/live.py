"""Planned records for live sending: taken in order, and dated at the moment they are sent.

The plan's time is compressed to match the rate. The delay of each record shrinks by the same
factor, so an event still happens after the touch that caused it.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from flows.generate.draws import Draws
from flows.generate.events import envelope_lines, event_texts, in_envelopes
from flows.generate.impressions import touch_lines
from flows.generate.plan import arriving
from flows.generate.rows import EVENT, SOURCES, TOUCH, Rows
from flows.generate.spec import GenerateSpec, SpecError
from flows.generate.text import advertiser_name, impression_names

RECORDS_MAX: Final = 10_000_000_000
"""The size of a stream without an end, which no run reaches."""

ROUNDS_MAX: Final = 100_000
"""How often the plan of a log is repeated at most, so that its times fit into 64 bits."""

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """A document to send; `events` is the number of its events, 0 for an impression."""

    stream: str
    key: str
    text: str
    events: int


class LiveStream:
    """The records of a plan, returned as they become due."""

    def __init__(self, spec: GenerateSpec, *, rate: float) -> None:
        """Repeat the plan of `spec`; `rate` is in records per second."""
        size = spec.events + spec.impressions
        if not size:
            msg = "events and impressions must not both be 0: there would be nothing to send"
            raise SpecError(msg)
        rounds = max(1, min(RECORDS_MAX // size, ROUNDS_MAX))
        self._draws = Draws(spec.seed)
        self._spec = replace(
            spec,
            events=spec.events * rounds,
            impressions=spec.impressions * rounds,
            days=spec.days * rounds,
            users=spec.people,
        )
        # The factor of time: interval between records in the plan, by interval as sent.
        self._haste = spec.days * _DAY_MS / size * rate / 1000
        self._blocks = (_Block(*both) for both in arriving(self._spec, self._draws))
        self._block = _Block(np.zeros(0, TOUCH), np.zeros(0, EVENT))

    def take(self, count: int, now: int) -> list[LiveRecord]:
        """Return the next `count` records, received `now` (ms); fewer only at the very end."""
        found: list[LiveRecord] = []
        while count and self._has_more():
            touches, events = self._block.take(count)
            count -= len(touches) + len(events)
            found += self._touches(touches, now) + self._events(events, now)
        return found

    def _has_more(self) -> bool:
        """Go on to the next block where this one is used up; return whether there is any."""
        while not self._block:
            if (block := next(self._blocks, None)) is None:
                return False
            self._block = block
        return True

    def _touches(self, rows: Rows, now: int) -> list[LiveRecord]:
        if not len(rows):
            return []
        lines = touch_lines(self._draws, self._dated(rows, now), self._spec.people)
        columns = zip(
            rows["advertiser"].tolist(),
            impression_names(self._draws, rows["number"]),
            lines,
            strict=True,
        )
        return [
            LiveRecord("impressions", f"{advertiser_name(advertiser)}/{name}", line, 0)
            for advertiser, name, line in columns
        ]

    def _events(self, rows: Rows, now: int) -> list[LiveRecord]:
        if not len(rows):
            return []
        rows, cuts = in_envelopes(self._draws, self._dated(rows, now), self._spec.envelope_size)
        texts = event_texts(self._draws, rows, self._spec.people)
        first = rows[cuts[:-1]]
        lines = envelope_lines(self._draws, rows, texts, cuts=cuts, arrivals=first["arrival"])
        columns = zip(
            first["advertiser"].tolist(),
            first["source"].tolist(),
            lines,
            np.diff(cuts).tolist(),
            strict=True,
        )
        return [
            LiveRecord("events", f"{advertiser_name(advertiser)}/{SOURCES[source]}", line, events)
            for advertiser, source, line, events in columns
        ]

    def _dated(self, rows: Rows, now: int) -> Rows:
        rows = rows.copy()
        on_its_way = (rows["arrival"] - rows["time"]) / self._haste
        rows["time"] = now - on_its_way.astype(np.int64)
        rows["arrival"] = now
        return rows


class _Block:
    """Records of both streams in order of arrival, some of them already taken."""

    def __init__(self, touches: Rows, events: Rows) -> None:
        self._touches = touches[np.argsort(touches["arrival"], kind="stable")]
        self._events = events[np.argsort(events["arrival"], kind="stable")]
        arrivals = np.concatenate([self._touches["arrival"], self._events["arrival"]])
        is_event = np.argsort(arrivals, kind="stable") >= len(touches)
        self._events_before = np.append(0, np.cumsum(is_event))
        self._taken = 0

    def __bool__(self) -> bool:
        return self._taken + 1 < len(self._events_before)

    def take(self, count: int) -> tuple[Rows, Rows]:
        """Return the touches and the events among the next `count` records or fewer."""
        start, end = self._taken, min(self._taken + count, len(self._events_before) - 1)
        self._taken = end
        first, last = self._events_before[start], self._events_before[end]
        return self._touches[start - first : end - last], self._events[first:last]
