"""Counts the rows of a chunk: events read, and touchpoints per ad and hour."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from attribution.columnar.columns import timestamps, values
from attribution.decoded import Decoded

AD: Final = (
    "advertiser_id",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
    "currency",
)
"""Columns that identify the ad of an impression or click, and the currency of its price."""

HOUR: Final = 3_600_000_000

_EVENT_GROUP: Final = ("advertiser_id", "event_source_id", "event_type")


def received(decoded: Decoded) -> pa.RecordBatch:
    """Count the events of a chunk as they were read, whatever their outcome."""
    one_each = pa.array(np.ones(decoded.rows.num_rows, dtype=np.int64))
    refused, tests = decoded.rejections, decoded.tests
    counted = [
        _with_hour(rows, events)
        for rows, events in (
            (decoded.rows, one_each),
            (refused, refused["events"]),
            (tests, tests["events"]),
        )
    ]
    by = [*_EVENT_GROUP, "hour"]
    grouped = pa.concat_tables(counted).group_by(by, use_threads=False)
    counts = grouped.aggregate([("received", "sum")]).rename_columns([*by, "received"])
    counts = counts.filter(pc.field("received") > 0)
    columns = [column.combine_chunks() for column in counts.columns]
    return pa.RecordBatch.from_arrays(columns, schema=counts.schema)


def _with_hour(rows: pa.RecordBatch, events: pa.Array) -> pa.Table:
    at = rows["received_at"].cast(pa.timestamp("us"))
    columns = {name: rows[name].cast(pa.string()) for name in _EVENT_GROUP}
    columns["hour"] = pc.floor_temporal(at, unit="hour").cast(pa.timestamp("us", "UTC"))
    return pa.table(columns | {"received": events.cast(pa.int64())})


def touchpoint_counts(
    rows: pa.RecordBatch, *, records: int, duplicates: int, paid: int
) -> pa.RecordBatch:
    """Count records per ad, type and hour; the arguments are the counts of each row."""
    # Decimals, because a sum of a few of the largest prices exceeds 64 bits of millionths.
    spend = pc.fill_null(rows["spend"], 0)
    table = {name: rows[name] for name in AD} | {
        "is_click": rows["is_click"],
        "hour": pa.array(values(rows, "time") // HOUR),
        "spend": spend if paid > 0 else pc.negate(spend),
    }
    by = [name for name in table if name != "spend"]
    grouped = pa.table(table).group_by(by, use_threads=False)
    counts = grouped.aggregate([("spend", "sum"), ("spend", "count")]).combine_chunks()
    batch = counts.to_batches()[0]
    number = values(batch, "spend_count")
    columns = {name: batch[name] for name in AD} | {
        "type": pc.if_else(batch["is_click"], "click", "impression"),
        "hour": timestamps(values(batch, "hour") * HOUR),
        "records": pa.array(number * records),
        "duplicates": pa.array(number * duplicates),
        "spend": batch["spend_sum"],
    }
    return pa.RecordBatch.from_pydict(columns)
