"""Shapes the oracle's findings as rows, one per conversion, credit, duplicate or refusal.

It knows the column names, and how microseconds, billionths and millionths read in a row.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from attribution.contract.verdicts import EventRecord, ImpressionRecord
from attribution.policy import Policy
from attribution.vocabulary import MODELS

from .compare import canonical_json
from .log import Refused, Tested
from .semantics import Conversion, Event, match_quality
from .shares import shares, values

Row: TypeAlias = dict[str, Any]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant(microseconds: int | None) -> datetime | None:
    """Return microseconds since the epoch as rows hold them."""
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def conversion_id(event: Event) -> str:
    """Hash where the winner lay and its dedup key; lengths keep the parts apart."""
    lengthed = (
        event.partition,
        event.advertiser_id,
        event.event_source_id,
        event.record.event_type,
    )
    text = "|".join(
        [
            f"{event.received_at}|{event.offset}|{event.index}",
            *(f"{len(part)}:{part}" for part in lengthed),
            event.record.event_id,
        ]
    )
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def conversion_row(conversion: Conversion, policy: Policy) -> Row:
    """Shape one row of `conversions`."""
    event, record = conversion.event, conversion.event.record
    return {
        "conversion_id": conversion_id(event),
        "advertiser_id": event.advertiser_id,
        "event_source_id": event.event_source_id,
        "event_type": record.event_type,
        "custom_event_name": record.custom_event_name,
        "event_id": record.event_id,
        "event_time": instant(record.event_time),
        "received_at": instant(event.received_at),
        "action_source": record.action_source,
        "event_source_host": record.event_source_host,
        "value": record.value,
        "currency": record.currency,
        "order_id": record.order_id,
        "num_items": record.num_items,
        "content_ids": None if record.content_ids is None else list(record.content_ids),
        "custom_data": record.custom_data,
        "outcome": str(conversion.outcome),
        "reason": None if conversion.reason is None else str(conversion.reason),
        **_winner_columns(conversion),
        "path_length": len(conversion.path),
        "carries": [kind for kind in policy.ordered_kinds if kind in record.carries],
        "match_quality": match_quality(record.carries, policy),
        "source_partition": event.partition,
        "source_offset": event.offset,
        "source_index": event.index,
    }


def _winner_columns(conversion: Conversion) -> Row:
    columns = ("matched_on", "touch_type", "is_probabilistic", "seconds_to_convert")
    if conversion.winner is None:
        return dict.fromkeys(columns)
    winner = conversion.path[conversion.winner]
    touch_type = "click" if winner.is_click else "view"
    seconds = (conversion.event.record.event_time - winner.record.time) / 1e6
    return dict(
        zip(
            columns,
            (winner.matched_on, touch_type, winner.is_probabilistic, seconds),
            strict=True,
        )
    )


def credit_rows(conversion: Conversion, policy: Policy) -> list[Row]:
    """Shape the rows of `credits` of an attributed conversion, in path order."""
    record = conversion.event.record
    share_of = shares(conversion, policy)
    value_of = {model: _split(conversion, parts) for model, parts in share_of.items()}
    return [
        {
            "conversion_id": conversion_id(conversion.event),
            "advertiser_id": conversion.event.advertiser_id,
            "event_time": instant(record.event_time),
            **_ad_columns(touchpoint.record),
            "type": "click" if touchpoint.is_click else "impression",
            "matched_on": touchpoint.matched_on,
            "is_probabilistic": touchpoint.is_probabilistic,
            "position": place + 1,
            "path_length": len(conversion.path),
            **{model: _billionths(share_of[model][place]) for model in MODELS},
            **{f"{model}_value": value_of[model][place] for model in MODELS},
            "currency": None if record.value is None else record.currency,
        }
        for place, touchpoint in enumerate(conversion.path)
    ]


def _split(conversion: Conversion, parts: list[int]) -> list[Decimal | None]:
    value = conversion.event.record.value
    if value is None:
        return [None] * len(parts)
    millionths = values(int(value.scaleb(6)), parts, winner=conversion.winner)
    return [Decimal(part).scaleb(-6) for part in millionths]


def _billionths(share: int) -> Decimal:
    return Decimal(share).scaleb(-9)


def _ad_columns(record: ImpressionRecord) -> Row:
    return {
        "impression_id": record.impression_id,
        "time": instant(record.time),
        "campaign_id": record.campaign_id,
        "media_buy_id": record.media_buy_id,
        "package_id": record.package_id,
        "creative_id": record.creative_id,
    }


def duplicate_row(event: Event, first: Event) -> Row:
    """Shape one row of `duplicates`: a copy, and the conversion it repeats."""
    return {
        "advertiser_id": event.advertiser_id,
        "event_source_id": event.event_source_id,
        "event_type": event.record.event_type,
        "event_id": event.record.event_id,
        "received_at": instant(event.received_at),
        "conversion_id": conversion_id(first),
        "is_changed": _content(event.record) != _content(first.record),
    }


def _content(record: EventRecord) -> tuple[object, ...]:
    return (
        record.event_time,
        record.custom_event_name,
        record.action_source,
        record.event_source_url,
        record.value,
        record.currency,
        None if record.custom_data is None else canonical_json(record.custom_data),
        record.carries,
        record.match_keys,
    )


def rejection_row(refused: Refused) -> Row:
    """Shape one row of `rejections`."""
    return {
        "stream": refused.arrival.stream,
        "source_partition": refused.arrival.partition,
        "source_offset": refused.arrival.offset,
        "source_index": refused.index,
        "advertiser_id": refused.origin.advertiser_id,
        "event_source_id": refused.origin.event_source_id,
        "record_id": refused.record_id,
        "received_at": instant(refused.arrival.received_at),
        "code": str(refused.code),
        "message": refused.message,
        "field": refused.field,
        "events": refused.events,
    }


def tested_row(tested: Tested, policy: Policy) -> Row:
    """Shape one row of `test_events`."""
    return {
        "advertiser_id": tested.origin.advertiser_id,
        "event_source_id": tested.origin.event_source_id,
        "event_type": tested.origin.event_type,
        "event_id": tested.event_id,
        "test_event_code": tested.test_event_code,
        "received_at": instant(tested.arrival.received_at),
        "code": None if tested.code is None else str(tested.code),
        "match_quality": None if tested.carries is None else match_quality(tested.carries, policy),
        "warnings": tested.warnings and list(tested.warnings),
    }
