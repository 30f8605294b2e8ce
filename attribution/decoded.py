"""The decoded log: typed columns of what was accepted, and rows for all that was not.

Both decoders, bulk and contract, end in these shapes; DEDUP, the verification and the oracle start
from them. Times are int64 microseconds since the epoch.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from attribution.columns import MONEY
from attribution.identity import Keys

NAME: Final = pa.dictionary(pa.int32(), pa.string())
"""Texts that repeat: kept once per frame."""

IMPRESSIONS: Final = pa.schema(
    {
        "line": pa.int64(),
        "advertiser_id": NAME,
        "impression_id": pa.string(),
        "is_click": pa.bool_(),
        "time": pa.int64(),
        "received_at": pa.int64(),
        "campaign_id": NAME,
        "media_buy_id": NAME,
        "package_id": NAME,
        "creative_id": NAME,
        "spend": MONEY,
        "currency": NAME,
    }
)
"""One row per accepted impression or click; `line` counts from the chunk's first line."""

EVENTS: Final = pa.schema(
    {
        "line": pa.int64(),
        "source_index": pa.int32(),
        "advertiser_id": NAME,
        "event_source_id": NAME,
        "received_at": pa.int64(),
        "event_id": pa.string(),
        "event_type": NAME,
        "event_time": pa.int64(),
        "custom_event_name": pa.string(),
        "action_source": NAME,
        "event_source_url": pa.string(),
        "event_source_host": NAME,
        "value": MONEY,
        "currency": NAME,
        "order_id": pa.string(),
        "num_items": pa.int64(),
        "content_ids": pa.list_(pa.string()),
        "custom_data": pa.string(),
        "carries": pa.uint16(),
        "warnings": pa.uint32(),
        "dropped": pa.list_(pa.string()),
    }
)
"""One row per accepted, non-test event. `carries` and `warnings` are bit masks."""

REJECTIONS: Final = pa.schema(
    {
        "stream": pa.string(),
        "source_partition": pa.string(),
        "source_offset": pa.int64(),
        "source_index": pa.int32(),
        "advertiser_id": pa.string(),
        "event_source_id": pa.string(),
        "event_type": pa.string(),
        "record_id": pa.string(),
        "received_at": pa.int64(),
        "code": pa.string(),
        "message": pa.string(),
        "field": pa.string(),
        "events": pa.int32(),
    }
)

TESTS: Final = pa.schema(
    {
        "advertiser_id": pa.string(),
        "event_source_id": pa.string(),
        "event_type": pa.string(),
        "event_id": pa.string(),
        "test_event_code": pa.string(),
        "received_at": pa.int64(),
        "code": pa.string(),
        "match_quality": pa.float64(),
        "events": pa.int32(),
    }
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One chunk of a partition of one stream, decoded.

    `rows` has the schema `EVENTS` or `IMPRESSIONS`, in no particular order; the `row` of `keys` is
    a position in `rows`. `watermark` is the partition's after this chunk. `records` counts those
    of the `lines` that hold a document.
    """

    stream: str
    partition: str
    first_line: int
    rows: pa.RecordBatch
    keys: Keys
    rejections: pa.RecordBatch
    tests: pa.RecordBatch
    watermark: int
    lines: int
    records: int
