"""Adds keys to decoded rows: 128-bit hashes and conversion ids, sorted as the steps need them.

The hashes are DuckDB's, of salted text; each deployment has its own salts, stored in its state.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from attribution.columnar.columns import Array, Hashes, Ints, Mask, pick, starts_of, values
from attribution.columnar.key_groups import MATCH_KEYS
from attribution.decoded import Decoded, Keys
from attribution.lookup import RECORD, sort_key
from attribution.vocabulary import EVENT_TYPES, KIND_CODES, MEASUREMENTS
from connectors.decoding.counts import AD, received, touchpoint_counts
from connectors.decoding.delays import ignored_rows
from connectors.decoding.measurements import measurement_rows
from connectors.duckdb_query import query
from connectors.hashing import Salts

_CLICK: Final = KIND_CODES["click"]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Match keys with their hashes; `row` is a position in the decoded rows."""

    row: Ints
    kind: Array
    high: Hashes
    low: Hashes

    def at(self, rows: Array) -> "KeyTable":
        """Return rows by position or mask."""
        return KeyTable(self.row[rows], self.kind[rows], self.high[rows], self.low[rows])


def hash_keys(keys: Keys, advertiser: pa.Array, salts: Salts) -> KeyTable:
    """Hash match keys together with the advertiser, so that keys never match across advertisers."""
    table = pa.table(
        {
            "value": keys.value,
            "kind": pa.array(keys.kind),
            "advertiser_id": advertiser.take(pa.array(keys.row)),
        }
    )
    hashed = query(f"select {salts.hash('value', 'kind', 'advertiser_id')} from input", table)
    return KeyTable(keys.row, keys.kind, values(hashed, "key_high"), values(hashed, "key_low"))


def key_impressions(decoded: Decoded, salts: Salts) -> dict[str, pa.RecordBatch]:
    """Return `unique` (one row per record), and `clicks` and `views` (one row per match key)."""
    rows = decoded.rows
    hashed = query(
        f"select {salts.hash('impression_id', 'is_click', 'advertiser_id')} from input", rows
    )
    place = decoded.places(values(rows, "line"))
    counted = {
        "key": hashed["key_high"],
        "key_low": hashed["key_low"],
        "source_index": pa.array(np.zeros(rows.num_rows, dtype=np.int32)),
        **place,
        **{name: rows[name] for name in ("received_at", *AD, "is_click", "time", "spend")},
    }
    keys = hash_keys(decoded.keys, rows["advertiser_id"], salts)
    return {"unique": pa.RecordBatch.from_pydict(counted), **_by_window(rows, place, keys)}


def _by_window(
    rows: pa.RecordBatch, place: dict[str, pa.Array], keys: KeyTable
) -> dict[str, pa.RecordBatch]:
    """Return one row per record and match key, sorted; clicks (and click keys) apart from views."""
    record = pa.RecordBatch.from_pydict(
        {
            name: place[name] if name in place else rows[name]
            for name in RECORD
            if name not in ("key_high", "key_low", "kind")
        }
    )
    word = sort_key(keys.high, values(rows, "time")[keys.row])
    order = np.argsort(word)
    keys, word = keys.at(order), word[order]
    kept = ~_repeats(keys, word)
    keys, word = (keys, word) if kept.all() else (keys.at(kept), word[kept])
    as_click = values(rows, "is_click")[keys.row] | (keys.kind == _CLICK)
    return {
        name: _records(record, keys.at(mask), word[mask])
        for name, mask in (("clicks", as_click), ("views", ~as_click))
    }


def _records(record: pa.RecordBatch, keys: KeyTable, word: Hashes) -> pa.RecordBatch:
    rows = pick(record, keys.row)
    columns = {
        "key": pa.array(word),
        "key_high": pa.array(keys.high),
        "key_low": pa.array(keys.low),
        "kind": pa.array(keys.kind),
    }
    return pa.RecordBatch.from_pydict(columns | {name: rows[name] for name in rows.schema.names})


def _repeats(keys: KeyTable, word: Hashes) -> Mask:
    """Mark repeated keys of one record; the table is sorted by `word`."""
    repeated = np.zeros(len(word), dtype=bool)
    alike = word[1:] == word[:-1]
    tied = np.flatnonzero(np.r_[alike, False] | np.r_[False, alike])
    if len(tied):
        tied = tied[np.lexsort((keys.low[tied], keys.row[tied]))]
        again = (keys.row[tied][1:] == keys.row[tied][:-1]) & (
            keys.low[tied][1:] == keys.low[tied][:-1]
        )
        repeated[tied[1:][again]] = True
    return repeated


_CONVERSION_ID: Final = """md5(concat_ws('|', received_at, source_offset, source_index,
  concat(length(source_partition::varchar), ':', source_partition),
  concat(length(advertiser_id::varchar), ':', advertiser_id),
  concat(length(event_source_id::varchar), ':', event_source_id),
  concat(length(event_type::varchar), ':', event_type), event_id)) as conversion_id"""
"""Hash of where the first copy arrived, and of its key; lengths separate the parts."""

_CONTENT: Final = """hash(event_time, custom_event_name, action_source, event_source_url, value,
  currency, custom_data, carries, identity) as digest"""
"""A copy with another digest counts as changed."""


def key_events(decoded: Decoded, salts: Salts) -> pa.RecordBatch:
    """Return rows for DEDUP: the decoded columns, keys, place, conversion id and content digest."""
    rows = decoded.rows
    keys = hash_keys(decoded.keys, rows["advertiser_id"], salts)
    lists, keyed, identity = _grouped(keys, rows.num_rows)
    place = decoded.places(values(rows, "line"))
    table = pa.table(
        {name: rows[name] for name in rows.schema.names} | place | {"identity": pa.array(identity)}
    )
    hashed = query(
        f"select {salts.hash('event_id', 'advertiser_id', 'event_source_id', 'event_type')}, "
        f"{_CONVERSION_ID}, {_CONTENT}, md5_number_lower(conversion_id) as conversion_low "
        "from input",
        table,
    )
    columns = {name: rows[name] for name in rows.schema.names if name != "line"} | place
    columns |= {
        "key": hashed["key_high"],
        "key_low": hashed["key_low"],
        "conversion_id": hashed["conversion_id"],
        "conversion_high": hashed["key_high"],
        "conversion_low": hashed["conversion_low"],
        "digest": hashed["digest"],
        "event_type_code": pa.array(_type_codes(rows["event_type"])),
        "match_keys": lists,
        "keyed": pa.array(keyed),
    }
    return pa.RecordBatch.from_pydict(columns)


def _type_codes(column: pa.Array) -> Array:
    codes = [EVENT_TYPES.index(name) for name in column.dictionary.to_pylist()]
    return np.array(codes, dtype=np.uint8)[column.indices.to_numpy()]


def _grouped(keys: KeyTable, count: int) -> tuple[pa.Array, Array, Hashes]:
    """Return, per row, its keys as a list, the bit mask of their kinds, and one word for all."""
    order = np.lexsort((keys.low, keys.high, keys.row))
    keys = keys.at(order)
    again = (
        (keys.row[1:] == keys.row[:-1])
        & (keys.high[1:] == keys.high[:-1])
        & (keys.low[1:] == keys.low[:-1])
    )
    keys = keys.at(~np.r_[np.zeros(min(len(order), 1), dtype=bool), again])
    offsets = np.searchsorted(keys.row, np.arange(count + 1)).astype(np.int32)
    each = pa.StructArray.from_arrays(
        [pa.array(keys.kind), pa.array(keys.high), pa.array(keys.low)],
        fields=list(MATCH_KEYS.value_type),
    )
    lists = pa.ListArray.from_arrays(pa.array(offsets), each, type=MATCH_KEYS)
    keyed = np.zeros(count, dtype=np.uint16)
    identity = np.zeros(count, dtype=np.uint64)
    if len(keys.row):
        starts = starts_of(keys.row)
        mine = keys.row[starts]
        keyed[mine] = np.bitwise_or.reduceat(1 << keys.kind.astype(np.uint16), starts)
        identity[mine] = np.bitwise_xor.reduceat(keys.high ^ keys.low * np.uint64(3), starts)
    return lists, keyed, identity


def keyed(
    decoded: Decoded, salts: Salts
) -> tuple[dict[str, pa.RecordBatch], dict[str, pa.RecordBatch]]:
    """Return the rows of a chunk for the keyed steps, and those that need no step, by table."""
    tables = finished_rows(decoded)
    if decoded.rows.num_rows == 0:
        return {}, tables
    if decoded.stream == MEASUREMENTS:
        return {}, tables | {MEASUREMENTS: measurement_rows(decoded)}
    if decoded.stream == "events":
        return {"unique": key_events(decoded, salts)}, tables
    rows = key_impressions(decoded, salts)
    counts = touchpoint_counts(rows["unique"], records=1, duplicates=0, paid=1)
    return rows, tables | {"touchpoint_deltas": counts}


def finished_rows(decoded: Decoded) -> dict[str, pa.RecordBatch]:
    """Return the rows of a chunk that go to the result without a keyed step."""
    tables = {"rejections": _dated(decoded.rejections), "test_events": _dated(decoded.tests)}
    if decoded.stream == "events":
        tables["received"] = received(decoded)
    if any(part.ignored for part in decoded.parts):
        tables["ignored_arrivals"] = ignored_rows(decoded)
    return {name: rows for name, rows in tables.items() if rows.num_rows}


def _dated(rows: pa.RecordBatch) -> pa.RecordBatch:
    at = rows.schema.get_field_index("received_at")
    instants = rows["received_at"].view(pa.timestamp("us", "UTC"))
    return rows.set_column(at, "received_at", instants)
