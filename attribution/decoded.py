"""The decoded log: typed columns of accepted records, and rows for refused and test records.

Both decoders, bulk and contract, produce these types; DEDUP, `verify` and the oracle of the tests
consume them. Times are int64 microseconds since the epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import MONEY, Array, Ints, Mask

NAME: Final = pa.dictionary(pa.int32(), pa.string())
"""Strings that repeat, dictionary-encoded: each is stored once per frame."""

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

MEASUREMENT_ROWS: Final = pa.schema(
    {
        "line": pa.int64(),
        "source_index": pa.int32(),
        "advertiser_id": pa.string(),
        "measurement_id": pa.string(),
        "start_time": pa.int64(),
        "end_time": pa.int64(),
        "metric_id": pa.string(),
        "metric_value": pa.decimal128(38, 12),
        "unit": pa.string(),
        "currency": pa.string(),
        "campaign_id": pa.string(),
        "media_buy_id": pa.string(),
        "package_id": pa.string(),
        "creative_id": pa.string(),
        "source": pa.string(),
        "source_platform": pa.string(),
        "source_metric_name": pa.string(),
        "external_row_id": pa.string(),
        "received_at": pa.int64(),
    }
)
"""One row per accepted measurement; `received_at` is as its document has it, null without."""

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
        "warnings": pa.list_(pa.string()),
        "events": pa.int32(),
    }
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Match keys, one row each: row of the record, code of the kind, and the value as text."""

    row: Ints
    kind: Array
    value: pa.Array

    @classmethod
    def concat(cls, parts: list["Keys"]) -> "Keys":
        """Concatenate tables."""
        return cls(
            np.concatenate([part.row for part in parts]),
            np.concatenate([part.kind for part in parts]),
            pa.concat_arrays([part.value for part in parts]),
        )

    def at(self, mask: Mask) -> "Keys":
        """Return the rows where the mask is true."""
        return (
            self
            if mask.all()
            else Keys(self.row[mask], self.kind[mask], self.value.filter(pa.array(mask)))
        )


@dataclass(frozen=True, slots=True)
class LateRecords:
    """Records of a partition that arrived below its watermark.

    They count as received at `received_at`, the watermark. `first_offset` and `last_offset` are
    their lowest and highest offsets.
    """

    first_offset: int
    last_offset: int
    received_at: int


@dataclass(frozen=True, slots=True)
class FutureRecords:
    """Records of a partition whose arrival lies ahead of the clock, which showed `read_at`.

    `first_offset` and `last_offset` are their lowest and highest offsets.
    """

    first_offset: int
    last_offset: int
    read_at: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """Records of a partition whose own `received_at` is ignored: too far ahead of the clock.

    `first_offset` is the offset of the first one.
    """

    first_offset: int
    records: int


@dataclass(frozen=True, slots=True)
class Delayed:
    """Records that count as received much later than they state, because of an earlier record.

    `source_offset` is the offset of the earlier record; `received_at` is its arrival.
    """

    source_offset: int
    received_at: int
    records: int


@dataclass(frozen=True, slots=True)
class ChunkPart:
    """The lines of one partition in a chunk.

    `watermark` is the partition's watermark after these lines. `late` are lines that arrived below
    the watermark and therefore count as later; `future` are ahead of the clock; `ignored` are so
    far ahead that their own arrival does not count; `delayed` were moved far by the order of
    arrival.
    """

    partition: str
    lines: int
    watermark: int
    late: LateRecords | None = None
    future: FutureRecords | None = None
    ignored: Ignored | None = None
    delayed: tuple[Delayed, ...] = ()


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded chunk of lines of one stream, part by part.

    `offsets` are the offsets of the lines in their partitions. `rows` has the schema `EVENTS`,
    `IMPRESSIONS` or `MEASUREMENT_ROWS`, in no particular order; the `row` of `keys` is a position
    in `rows`. `records` counts the lines that hold a document.
    """

    stream: str
    parts: tuple[ChunkPart, ...]
    offsets: Ints
    rows: pa.RecordBatch
    keys: Keys
    rejections: pa.RecordBatch
    tests: pa.RecordBatch
    records: int

    def places(self, lines: Ints) -> dict[str, pa.Array]:
        """Return `source_partition` and `source_offset` of lines of the chunk."""
        return places(self.parts, self.offsets, lines)


def places(parts: Sequence[ChunkPart], offsets: Ints, lines: Ints) -> dict[str, pa.Array]:
    """Return `source_partition` and `source_offset` of lines of a chunk.

    `offsets` are the offsets of all lines of the chunk, part by part.
    """
    last = np.cumsum([part.lines for part in parts])
    codes = np.searchsorted(last, lines, side="right").astype(np.int32)
    names = pa.array([part.partition for part in parts])
    return {
        "source_partition": pa.DictionaryArray.from_arrays(pa.array(codes), names),
        "source_offset": pa.array(offsets[lines]),
    }
