"""What a run has left in Kafka, held against its result: conversions, and refused documents.

An epoch that was cut short may have sent what comes of records that expire before they are read
again. That alone may be there beside the result.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import duckdb
import pyarrow as pa
from confluent_kafka import Message

from connectors.kafka.conversions import documents
from tests.support.brokers.archive import Archive

EVENT_KEY: Final = ("advertiser_id", "event_source_id", "event_type", "event_id")
Event = tuple[str, ...]
"""What names an event."""

Letter = tuple[str, bytes]
"""The code that refused a document, and the document."""


def published_differences(
    connection: duckdb.DuckDBPyConnection, archive: Archive, messages: Iterable[Message]
) -> list[str]:
    """Compare: of each attributed conversion the last copy is as the tables have it."""
    tables = (_all(connection, table) for table in ("conversions_final", "credits_final"))
    expected = dict(documents(*tables))
    last = {message.key() or b"": message.value() or b"" for message in messages}
    excused = {event for value in archive.lost().values() for event in _events(value)}
    if archive.lost():
        # Without the lost records, others may arrive earlier, and so under another id, or earn
        # nothing: an epoch that was cut short has published them as they were before.
        excused |= set(_known_events(connection))
    found = {
        key: text for key, text in last.items() if key in expected or _event(text) not in excused
    }
    return _compared("published", expected, found)


def set_aside_differences(
    connection: duckdb.DuckDBPyConnection, archive: Archive, messages: Iterable[Message]
) -> list[str]:
    """Compare: each document that was refused as a whole is set aside, as it came."""
    refused = connection.execute(
        """select stream, source_partition, source_offset, code from rejections
        where source_index is null"""
    ).fetchall()
    expected = {
        f"{partition}/{offset}": (code, archive.value((stream, number_of(partition)), offset))
        for stream, partition, offset, code in refused
    }
    lost = archive.lost().keys()
    copies = [letter for letter in map(_letter, messages) if letter[0] not in lost]
    unlike = [place for place, letter in copies if letter != expected.get(place, letter)]
    return [
        *(f"a copy of {place} is not as it came" for place in unlike),
        *_compared("set aside", expected, dict(copies)),
    ]


def number_of(partition: str) -> int:
    """Return the number of a partition that is named as in the tables."""
    return int(partition.rpartition("-")[2])


def _all(connection: duckdb.DuckDBPyConnection, table: str) -> pa.RecordBatch:
    return connection.execute(f"from {table}").to_arrow_table().combine_chunks().to_batches()[0]


def _known_events(connection: duckdb.DuckDBPyConnection) -> list[Event]:
    return connection.execute(f"select {', '.join(EVENT_KEY)} from conversions_final").fetchall()


def _event(document: bytes) -> Event:
    told = json.loads(document)
    return tuple(told[name] for name in EVENT_KEY)


def _events(envelope: bytes) -> Iterator[Event]:
    """Yield the events of an envelope, as far as it can be read."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        told = json.loads(envelope)
        for event in told.get("events", []):
            yield tuple((told | event)[name] for name in EVENT_KEY)


def _letter(message: Message) -> tuple[str, Letter]:
    headers: list[Any] = list(message.headers() or [])
    said = {name: value.decode() for name, value in headers}
    topic, number, offset = (said[f"dlq.{name}"] for name in ("topic", "partition", "offset"))
    return f"{topic}-{number}/{offset}", (said["dlq.reason"], message.value() or b"")


def _compared(what: str, expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> list[str]:
    missing, surplus = expected.keys() - found.keys(), found.keys() - expected.keys()
    both = sorted(expected.keys() & found.keys())
    return [
        *(f"{each} was not {what}" for each in sorted(missing)),
        *(f"{each} was {what}, and is not in the result" for each in sorted(surplus)),
        *(f"{each} was {what} otherwise" for each in both if expected[each] != found[each]),
    ]
