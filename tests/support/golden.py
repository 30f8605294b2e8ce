"""Golden cases: small logs with the tables they must give, worked out by hand from section 4.

Knows how the cells of the expected files are written (README.md of the fixtures), and no engine.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

GOLDEN: Final = Path(__file__).parents[1] / "fixtures" / "golden"
CASES: Final = sorted(path.name for path in GOLDEN.iterdir())

Cells = tuple[str, ...]


def expected(case: str, table: str) -> tuple[Sequence[str], list[Cells]]:
    """Return the columns and the rows of a case's expected `conversions` or `credits`, sorted."""
    with (GOLDEN / case / f"expected_{table}.csv").open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    return columns, sorted(tuple(row) for row in rows)


def written(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[Cells]:
    """Write rows as the expected files have them, sorted."""
    return sorted(tuple(_cell(row[column]) for column in columns) for row in rows)


def with_event(
    credit_rows: Iterable[Mapping[str, Any]], conversions: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Add to each credit the event_id and event_type of its conversion."""
    by_id = {row["conversion_id"]: row for row in conversions}
    return [
        {**row, **{name: by_id[row["conversion_id"]][name] for name in ("event_id", "event_type")}}
        for row in credit_rows
    ]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)
