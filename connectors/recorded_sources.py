"""Reads back the registry that a continuous run judged its events by, from its result file.

The folder's own file tells what holds now; the result has every version and the time it held.
"""

import duckdb

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry, SourceVersion


def read_registry(connection: duckdb.DuckDBPyConnection, *, allow_unregistered: bool) -> Registry:
    """Read the versions of every event source from `result`, oldest first.

    A source that changes during a run gets rows for all its versions anew.
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
