"""Decodes lines twice, in bulk and by the contract alone, and says in words how the two differ.

Knows the shapes of both results; why a line is good or bad is nobody's business here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.quality import quality
from attribution.registry import Registry
from attribution.vocabulary import KIND_CODES, KINDS, Warn
from connectors.decoding.decoder import Next, PartitionDecoder, decode_together
from connectors.decoding.lines import Lines
from connectors.duckdb_query import query
from tests.oracle.arrivals import Noted
from tests.oracle.log import DecodedLog, Refused, Tested, read_log
from tests.oracle.semantics import Event, Impression
from tests.support.match_keys import as_in_contract
from tests.support.raw import HOUR, NOW, since_epoch

Row: TypeAlias = dict[str, Any]
Tables: TypeAlias = dict[str, list[Row]]

SOURCES: Final[Sequence[Mapping[str, object]]] = (
    {"advertiser_id": "adv", "event_source_id": "src"},
    {
        "advertiser_id": "adv",
        "event_source_id": "strict",
        "event_types": ["purchase", "custom"],
        "allowed_domains": ["shop.example"],
        "value_currencies": ["EUR"],
    },
    {"advertiser_id": "adv", "event_source_id": "trial", "test_event_code": "TEST1"},
)
"""A source without restrictions, one with all of them, and one that only tests."""

_WARNINGS: Final = {warning: place for place, warning in enumerate(Warn)}
_EVENT: Final = (
    "event_id",
    "event_type",
    "custom_event_name",
    "event_time",
    "action_source",
    "event_source_url",
    "event_source_host",
    "value",
    "currency",
    "order_id",
    "num_items",
    "content_ids",
    "custom_data",
)
_IMPRESSION: Final = (
    "advertiser_id",
    "impression_id",
    "time",
    "campaign_id",
    "media_buy_id",
    "package_id",
    "creative_id",
    "spend",
    "currency",
)


CLOCK: Final = since_epoch(NOW + HOUR)
"""When all is read: an hour after most of it arrives, and long before 2099."""


class BothDecoders:
    """The two decoders of one registry; `folder` is where the contract's reader finds the lines."""

    def __init__(
        self,
        folder: Path,
        policy: Policy | None = None,
        sources: Sequence[Mapping[str, object]] = SOURCES,
    ) -> None:
        """Take a folder that is empty."""
        self._folder = folder
        self._policy = policy or Policy()
        self._registry = Registry.from_documents([*sources], allow_unregistered=False)

    def differences(self, stream: str, lines: Sequence[bytes], cuts: Iterable[int] = ()) -> str:
        """Decode lines both ways, in bulk with a new chunk at each cut; empty where they agree."""
        wanted = self._by_contract(stream, lines)
        chunks = [
            (Lines.of if first else Lines.at_beginning)(
                b"".join(line + b"\n" for line in lines[first:last])
            )
            for first, last in pairwise(sorted({0, *cuts, len(lines)}))
        ]
        return self._compared(wanted, self._in_bulk(stream, chunks), lines)

    def message_differences(self, stream: str, messages: Sequence[bytes]) -> str:
        """As `differences`, for messages: each is a record, whatever bytes it holds."""
        placed = list(enumerate(messages))
        path = self._folder / stream / f"{stream}.ndjson.messages"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(msgspec.msgpack.encode(placed))
        wanted = self._judged(len(messages))
        path.unlink()
        got = self._in_bulk(stream, [Lines.of_documents(messages)])
        return self._compared(wanted, got, messages)

    @staticmethod
    def _compared(wanted: Tables, got: Tables, lines: Sequence[bytes]) -> str:
        return "\n".join(
            difference
            for table, rows in wanted.items()
            for difference in _compare(table, rows, got[table], lines)
        )

    def _in_bulk(self, stream: str, chunks: Sequence[Lines]) -> Tables:
        decoder = PartitionDecoder(
            stream, f"{stream}.ndjson", policy=self._policy, registry=self._registry
        )
        first = 0
        tables: Tables = {"rows": [], "rejections": [], "tests": [], "records": []}
        for chunk in chunks:
            decoded = decode_together([Next(decoder, chunk, chunk.numbered(first), read_at=CLOCK)])
            first += len(chunk)
            tables["rows"] += _bulk_rows(decoded)
            tables["rejections"] += decoded.rejections.to_pylist()
            tables["tests"] += decoded.tests.to_pylist()
            tables["records"].append({"records": decoded.records})
        tables["records"] = [{"records": sum(row["records"] for row in tables["records"])}]
        return tables

    def _by_contract(self, stream: str, lines: Sequence[bytes]) -> Tables:
        path = self._folder / f"{stream}.ndjson"
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        wanted = self._judged(sum(1 for line in lines if line.strip(b" \t\r")))
        path.unlink()
        return wanted

    def _judged(self, records: int) -> Tables:
        log = read_log(self._folder, self._policy, self._registry, Noted(started=CLOCK))
        return {
            "rows": _contract_rows(log),
            "rejections": [_refused_row(refused) for refused in log.refused],
            "tests": [_tested_row(tested, self._policy) for tested in log.tested],
            "records": [{"records": records}],
        }


def _bulk_rows(decoded: Decoded) -> list[Row]:
    rows = decoded.rows.to_pylist()
    keys: list[set[tuple[str, str]]] = [set() for _ in rows]
    table = decoded.keys
    for row, kind, value in zip(
        table.row.tolist(), table.kind.tolist(), table.value.to_pylist(), strict=True
    ):
        key = as_in_contract(KINDS[kind], value)
        assert key not in keys[row] or kind != KIND_CODES["click"]
        if key is not None:
            keys[row].add(key)
        elif decoded.stream == "events":
            keys[row].add((KINDS[kind], f"invalid: {value}"))
    return [
        row | {"source_offset": int(decoded.offsets[row["line"]]), "match_keys": sorted(found)}
        for row, found in zip(rows, keys, strict=True)
    ]


def _contract_rows(log: DecodedLog) -> list[Row]:
    texts = _as_duckdb_writes([event.record.custom_data for event in log.events])
    events = [
        _event_row(event) | {"custom_data": text}
        for event, text in zip(log.events, texts, strict=True)
    ]
    return [*events, *map(_impression_row, log.impressions)]


def _as_duckdb_writes(texts: list[str | None]) -> list[str | None]:
    table = pa.table({"text": pa.array(texts, pa.string())})
    return query("select json(text) as text from input", table)["text"].to_pylist()


def _event_row(event: Event) -> Row:
    record = event.record
    return {name: getattr(record, name) for name in _EVENT} | {
        "source_offset": event.offset,
        "source_index": event.index,
        "received_at": event.received_at,
        "advertiser_id": event.advertiser_id,
        "event_source_id": event.event_source_id,
        "carries": sum(1 << KIND_CODES[kind] for kind in record.carries),
        "warnings": sum(1 << _WARNINGS[warning] for warning in set(record.warnings)),
        "dropped": list(record.dropped) or None,
        "match_keys": sorted(record.match_keys),
    }


def _impression_row(impression: Impression) -> Row:
    record = impression.record
    return {name: getattr(record, name) for name in _IMPRESSION} | {
        "source_offset": impression.offset,
        "received_at": impression.received_at,
        "is_click": record.type == "click",
        "match_keys": sorted(record.match_keys),
    }


def _refused_row(refused: Refused) -> Row:
    return {
        "stream": refused.arrival.stream,
        "source_partition": refused.arrival.partition,
        "source_offset": refused.arrival.offset,
        "source_index": refused.index,
        "advertiser_id": refused.origin.advertiser_id,
        "event_source_id": refused.origin.event_source_id,
        "event_type": refused.origin.event_type,
        "record_id": refused.record_id,
        "received_at": refused.arrival.received_at,
        "code": str(refused.code),
        "message": refused.message,
        "field": refused.field,
        "events": refused.events,
    }


def _tested_row(tested: Tested, policy: Policy) -> Row:
    mask = None if tested.carries is None else sum(1 << KIND_CODES[kind] for kind in tested.carries)
    return {
        "advertiser_id": tested.origin.advertiser_id,
        "event_source_id": tested.origin.event_source_id,
        "event_type": tested.origin.event_type,
        "event_id": tested.event_id,
        "test_event_code": tested.test_event_code,
        "received_at": tested.arrival.received_at,
        "code": None if tested.code is None else str(tested.code),
        "match_quality": None if mask is None else quality(mask, policy),
        "warnings": tested.warnings and list(tested.warnings),
        "events": tested.events,
    }


def _compare(
    table: str, wanted: list[Row], got: list[Row], lines: Sequence[bytes]
) -> Iterable[str]:
    if not wanted or not got:
        yield from [f"{table}: only by contract: {_place(row, lines)}" for row in wanted]
        yield from [f"{table}: only in bulk: {_place(row, lines)}" for row in got]
        return
    names = list(wanted[0])
    if "source_offset" not in names:
        left, right = (
            Counter(repr([row[name] for name in names]) for row in rows) for rows in (wanted, got)
        )
        yield from [f"{table}: only by contract: {row}" for row in left - right]
        yield from [f"{table}: only in bulk: {row}" for row in right - left]
        return
    left_of, right_of = _by_place(wanted), _by_place(got)
    for place in sorted(left_of.keys() | right_of.keys()):
        left_row, right_row = left_of.get(place), right_of.get(place)
        if left_row is None or right_row is None:
            who, row = ("in bulk", right_row) if left_row is None else ("by contract", left_row)
            yield f"{table}: only {who}: {_place(row or {}, lines)}"
            continue
        for name in names:
            if left_row[name] != right_row[name]:
                yield (
                    f"{table}: {name}: {left_row[name]!r} by contract, {right_row[name]!r} in bulk:"
                    f" {_place(left_row, lines)}"
                )


def _by_place(rows: list[Row]) -> dict[tuple[int, int], Row]:
    """Name rows by their place; a place has one row."""
    placed = {
        (row["source_offset"], -1 if row.get("source_index") is None else row["source_index"]): row
        for row in rows
    }
    assert len(placed) == len(rows), "a place has two rows"
    return placed


def _place(row: Row, lines: Sequence[bytes]) -> str:
    offset = row.get("source_offset")
    return f"{row}" if offset is None else f"{lines[offset][:3000]!r}[{row.get('source_index')}]"
