"""Writes and reads table `event_sources` of a result: the versions its events were judged by.

The file in the folder has only the current version of a source; the result has every version and
the time it was in effect.
"""

from collections.abc import Iterable
from typing import Final

import duckdb
import pyarrow as pa

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry, SourceVersion


def read_registry(connection: duckdb.DuckDBPyConnection, *, allow_unregistered: bool) -> Registry:
    """Read the versions of every event source from `result`, oldest first.

    When a source changes during a run, the rows of all its versions are written again.
    """
    rows = connection.execute(
        """select advertiser_id, event_source_id, name, event_types, allowed_domains,
          value_currencies, test_event_code, epoch_us(valid_from), epoch_us(valid_to)
        from result.event_sources
        qualify seq = max(seq) over (partition by advertiser_id, event_source_id)
        order by advertiser_id, event_source_id, valid_from nulls first"""
    ).fetchall()
    versions: dict[tuple[str, str], tuple[SourceVersion, ...]] = {}
    for advertiser, source, name, types, domains, currencies, code, valid_from, valid_to in rows:
        version = SourceVersion(
            advertiser_id=advertiser,
            event_source_id=source,
            name=name,
            event_types=None if types is None else frozenset(types),
            allowed_domains=tuple(domains or ()),
            value_currencies=None if currencies is None else frozenset(currencies),
            test_event_code=code,
            valid_from=BEGINNING_OF_TIME if valid_from is None else valid_from,
            valid_to=END_OF_TIME if valid_to is None else valid_to,
        )
        key = (advertiser, source)
        versions[key] = (*versions.get(key, ()), version)
    return Registry(versions=versions, allow_unregistered=allow_unregistered)


def record_sources(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Write the registry by which the events of this run are judged."""
    sources = source_rows(source for each in registry.versions.values() for source in each)
    if sources.num_rows:
        connection.register("sources", sources)
        connection.execute("insert into event_sources by name select *, 0 as seq from sources")
        connection.unregister("sources")


def source_rows(versions: Iterable[SourceVersion]) -> pa.RecordBatch:
    """Return the rows of table `event_sources` for versions."""
    rows = [
        {
            "advertiser_id": source.advertiser_id,
            "event_source_id": source.event_source_id,
            "name": source.name,
            "event_types": sorted(source.event_types or ()) or None,
            "allowed_domains": list(source.allowed_domains) or None,
            "value_currencies": sorted(source.value_currencies or ()) or None,
            "test_event_code": source.test_event_code,
            "valid_from": None if source.valid_from == BEGINNING_OF_TIME else source.valid_from,
            "valid_to": None if source.valid_to == END_OF_TIME else source.valid_to,
        }
        for source in versions
    ]
    return pa.RecordBatch.from_pylist(rows, schema=_SOURCES)


_SOURCES: Final = pa.schema(
    {
        "advertiser_id": pa.string(),
        "event_source_id": pa.string(),
        "name": pa.string(),
        "event_types": pa.list_(pa.string()),
        "allowed_domains": pa.list_(pa.string()),
        "value_currencies": pa.list_(pa.string()),
        "test_event_code": pa.string(),
        "valid_from": pa.timestamp("us", "UTC"),
        "valid_to": pa.timestamp("us", "UTC"),
    }
)
