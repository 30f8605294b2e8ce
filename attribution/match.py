"""MATCH: which records a conversion may be credited to, by the match keys of one key group.

Pure functions of their input: no engine, no clock. Records are indexed as they arrive. The keys of
a conversion wait until the watermark has passed `received_at + settle_delay` and are then looked
up; a live run also looks them up once it has passed `received_at`, for a provisional result.

Clicks (and records with a click id) are kept longer than views and therefore have an index of their
own: each of the two indexes has one window per event type and one retention.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Ints, keep, pick, values
from attribution.columnar.frames import START
from attribution.columnar.runs import SortedRuns
from attribution.columnar.waiting import Waiting
from attribution.lookup import Lookup
from attribution.outcomes import is_matchable
from attribution.policy import Policy
from attribution.vocabulary import EVENT_TYPES, KIND_CODES


@dataclass(frozen=True, slots=True)
class _Index:
    """Records that share a window (us, by event type code)."""

    runs: SortedRuns
    windows: Ints


@dataclass(frozen=True, slots=True)
class Found:
    """One row per conversion key and eligible record; None if there is none.

    Columns: the conversion id, `FOUND` and `limited` (whether that key had more than
    `max_candidates` eligible records).
    """

    final: pa.RecordBatch | None
    provisional: pa.RecordBatch | None


class Match:
    """The state of one key group: its records by match key, and waiting conversion keys."""

    def __init__(self, policy: Policy, *, provisional: bool = False) -> None:
        """Start empty; the policy sets windows, settle delay and limit."""
        self._policy = policy
        self._waiting = Waiting(delay=policy.settle_delay)
        self._new = Waiting()
        self._provisional = provisional
        self._answered = START
        clicks = [policy.post_click_of(event_type) for event_type in EVENT_TYPES]
        views = [policy.post_view_of(event_type) for event_type in EVENT_TYPES]
        self.clicks = self._index(clicks)
        self.views = self._index(views)

    def _index(self, windows: list[int]) -> _Index:
        retention = max(windows) + self._policy.max_event_delay + self._policy.settle_delay
        return _Index(SortedRuns(expire_by="time", retention=retention), np.array(windows))

    @property
    def state(self) -> dict[str, list[pa.RecordBatch]]:
        """What a snapshot stores, in immutable batches."""
        return {
            "waiting": self._waiting.batches,
            "new": self._new.batches,
            "clicks": self.clicks.runs.batches,
            "views": self.views.runs.batches,
        }

    def restore(self, state: dict[str, list[pa.RecordBatch]], watermark: int) -> None:
        """Restore a snapshot, taken when every query up to the watermark had been answered."""
        self._waiting.restore(state["waiting"], watermark)
        self._new.restore(state["new"], watermark)
        self.clicks.runs.restore(state["clicks"])
        self.views.runs.restore(state["views"])
        self._answered = watermark

    def insert(self, records: pa.RecordBatch, *, as_click: bool) -> None:
        """Index records (columns `key` and `RECORD`, sorted by `key`) under their window.

        `as_click` is true for clicks and for records with a click key.
        """
        index = self.clicks if as_click else self.views
        # Expire by the watermark of the answered queries: others may still need the records.
        index.runs.insert(records, watermark=self._answered)

    def receive(self, queries: pa.RecordBatch) -> None:
        """Add the match keys of conversions.

        Columns: key_high, key_low, kind, event_type (code), event_time, received_at,
        conversion_high, conversion_low.
        """
        self._waiting.add(queries)
        if self._provisional:
            self._new.add(queries)

    def advance(self, watermark: int) -> Found | None:
        """Look up the keys of settled and of new conversions; None if nothing was found."""
        settled, new = self._waiting.release(watermark), self._new.release(watermark)
        answers = Found(*(due and self._look_up(due) for due in (settled, new)))
        self._answered = watermark
        self.clicks.runs.expire(watermark)
        self.views.runs.expire(watermark)
        return answers if answers.final or answers.provisional else None

    def _look_up(self, queries: pa.RecordBatch) -> pa.RecordBatch | None:
        # Runs are sorted by key as well, and a search in sorted order is several times faster.
        lookup = Lookup(pick(queries, np.argsort(values(queries, "key_high"))), self._policy)
        parts = [
            part
            for index in (self.clicks, self.views)
            for run in index.runs
            for part in lookup.eligible(run, index.windows)
        ]
        return lookup.found(parts) if parts else None


_ASKED = ("event_time", "received_at", "conversion_high", "conversion_low")


def match_queries(conversions: pa.RecordBatch, policy: Policy) -> pa.RecordBatch | None:
    """Return one row per conversion and match key of a kind the policy uses; None if there is none.

    Conversions that cannot earn credit (observed, too old) have no rows.
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
