"""The results of the contract: accepted records, and refusals with a code and a field.

Plain values without logic. Times are microseconds since the epoch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from attribution.vocabulary import Code, Warn

_WARNING_ORDER: Final = {warning: place for place, warning in enumerate(Warn)}


def in_order(warnings: Iterable[Warn]) -> tuple[Warn, ...]:
    """Return each warning once, in the order of the vocabulary."""
    return tuple(sorted(set(warnings), key=_WARNING_ORDER.__getitem__))


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is refused: code, field at fault, and a message that never quotes a value."""

    code: Code
    field: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Accepted:
    """The identifiers of an accepted record, and its repairs.

    `carries` holds kinds, `match_keys` pairs of kind and value; `warnings` and `dropped` (paths
    such as `user_match.uids[0]`) name each thing once.
    """

    carries: frozenset[str]
    match_keys: frozenset[tuple[str, str]]
    warnings: tuple[Warn, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord(_Accepted):
    """An accepted event: every column of the decoded log that depends on the event alone.

    `custom_data` is JSON text.
    """

    event_id: str
    event_type: str
    custom_event_name: str | None
    event_time: int
    action_source: str | None
    event_source_url: str | None
    event_source_host: str | None
    value: Decimal | None
    currency: str | None
    order_id: str | None
    num_items: int | None
    content_ids: list[str] | None
    custom_data: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection(Problem):
    """A refused event; `record_id` and `event_type` are set if they are valid themselves."""

    record_id: str | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpressionRecord(_Accepted):
    """An accepted impression or click; `spend` and `currency` are both set or both None."""

    advertiser_id: str
    received_at: int | None
    impression_id: str
    type: str
    time: int
    campaign_id: str
    media_buy_id: str | None
    package_id: str | None
    creative_id: str | None
    spend: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpressionRejection(Problem):
    """A refused impression or click, with those of its fields that are valid themselves.

    `time` replaces a missing `received_at` on the first record of a partition.
    """

    record_id: str | None
    advertiser_id: str | None
    received_at: int | None
    time: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A request whose own fields are valid; its events are still to be judged one by one.

    `latest_event_time` is the latest valid event time. It replaces a missing `received_at` on the
    first record of a partition, and is computed only if `received_at` is missing.
    """

    advertiser_id: str
    event_source_id: str
    received_at: int | None
    test_event_code: str | None
    events: list[object]
    latest_event_time: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Problem):
    """An envelope refused as a whole, with those of its fields that are valid themselves.

    `events` is the number of its events: the length of the array, or 1 if there is none.
    `latest_event_time` is as in `Envelope`.
    """

    advertiser_id: str | None
    event_source_id: str | None
    received_at: int | None
    test_event_code: str | None
    events: int
    latest_event_time: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementCall:
    """A call of measurement data whose own fields are valid; its rows are still to be judged."""

    advertiser_id: str
    received_at: int | None
    rows: list[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRefusal(Problem):
    """A call of measurement data refused as a whole; `rows` is their number, at least 1."""

    advertiser_id: str | None
    received_at: int | None
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementRecord:
    """An accepted row of measurement data; `measurement_id` is equal for copies and corrections."""

    measurement_id: str
    start_time: int
    end_time: int
    metric_id: str
    metric_value: Decimal
    unit: str
    currency: str | None
    campaign_id: str | None
    media_buy_id: str | None
    package_id: str | None
    creative_id: str | None
    source: str | None
    source_platform: str | None
    source_metric_name: str | None
    external_row_id: str | None
