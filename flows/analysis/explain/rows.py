"""Rows of a result file with columns as attributes, and the title and place of an event."""

from dataclasses import dataclass
from typing import Any

import duckdb


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a query, its columns as attributes."""

    cells: dict[str, Any]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the column holds
        return self.cells[name]


def rows(connection: duckdb.DuckDBPyConnection, sql: str, event_id: str) -> list[Row]:
    """Return the rows of a query with the parameter `$id`."""
    answer = connection.execute(sql, {"id": event_id})
    names = [name for name, *_ in answer.description or ()]
    return [Row(dict(zip(names, row, strict=True))) for row in answer.fetchall()]


def title(event: Row) -> str:
    """Return the title of an event."""
    source = event.event_source_id or "an unknown source"
    return f"{event.event_type or 'event'} {event.event_id} of {event.advertiser_id}/{source}"


def place(event: Row) -> str:
    """Return where an event was read."""
    index = "" if event.source_index is None else f" event {event.source_index}"
    return f"{event.source_partition} line {event.source_offset}{index} (all from 0)"
