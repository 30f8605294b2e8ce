"""Compares two sets of tables and says in words how they differ.

It knows which columns name a row and which values mean the same; nothing of how they came about.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

KEYS: Final = {
    "conversions": ("conversion_id",),
    "credits": ("conversion_id", "impression_id"),
    "duplicates": (
        "advertiser_id",
        "event_source_id",
        "event_type",
        "event_id",
        "received_at",
        "conversion_id",
    ),
    "rejections": ("stream", "source_partition", "source_offset", "source_index"),
    "test_events": (
        "advertiser_id",
        "event_source_id",
        "event_type",
        "event_id",
        "test_event_code",
        "received_at",
        "code",
    ),
    "match_stats": ("advertiser_id", "event_source_id", "event_type", "hour"),
    "touchpoint_stats": (
        "advertiser_id",
        "campaign_id",
        "media_buy_id",
        "package_id",
        "creative_id",
        "type",
        "hour",
        "currency",
    ),
}
"""What names a row of each table; rows that share a name are paired in sorted order."""

AnyRow = Mapping[str, Any]


def canonical_json(text: str) -> object:
    """Read JSON so that two texts are equal exactly when DuckDB's `json()` writes them alike.

    Members keep their order and their repeats; 1 is not 1.0, but 1.0 is 1.00 and 10e-1.
    """
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: ("object", *pairs),
        parse_int=lambda digits: ("integer", "0" if digits == "-0" else digits),
        parse_float=_canonical_float,
    )


def _canonical_float(written: str) -> tuple[str, str]:
    number = float(written)
    return ("float", written if math.isinf(number) else repr(number))


def compare(
    expected: Mapping[str, Sequence[AnyRow]], actual: Mapping[str, Sequence[AnyRow]]
) -> list[str]:
    """List the differences, one sentence each; columns that only `actual` has are its own."""
    differences = []
    for table in expected:
        if table not in actual:
            differences.append(f"{table}: the table is missing")
            continue
        differences += _compare_table(table, expected[table], actual[table])
    return differences


def _compare_table(table: str, expected: Sequence[AnyRow], actual: Sequence[AnyRow]) -> list[str]:
    columns = sorted(expected[0]) if expected else KEYS[table]
    expected_by_key = _by_key(table, expected, columns)
    actual_by_key = _by_key(table, actual, columns)
    differences: list[str] = []
    for key in sorted(expected_by_key.keys() | actual_by_key.keys()):
        name = f"{table} ({', '.join(key)})"
        wanted, got = expected_by_key[key], actual_by_key[key]
        differences += [f"{name}: missing"] * (len(wanted) - len(got))
        differences += [f"{name}: not expected"] * (len(got) - len(wanted))
        for wanted_row, got_row in zip(wanted, got, strict=False):
            differences += _compare_rows(name, wanted_row, got_row)
    return differences


def _by_key(
    table: str, rows: Sequence[AnyRow], columns: Sequence[str]
) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """Group normalised rows by the text of their key columns, each group sorted by columns."""
    grouped: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        plain = {column: _plain(column, value) for column, value in row.items()}
        if table == "match_stats" and not any(
            value for column, value in plain.items() if column not in KEYS[table]
        ):
            continue  # an envelope without events counts nothing
        grouped[tuple(str(plain.get(column)) for column in KEYS[table])].append(plain)
    for members in grouped.values():
        members.sort(key=lambda row: [str(row.get(column)) for column in columns])
    return grouped


def _plain(column: str, value: Any) -> object:  # noqa: ANN401  a value of any column
    """Return equal values one spelling."""
    if column == "custom_data" and value is not None:
        return canonical_json(value)
    if column == "spend":
        value = Decimal(value or 0)
    if isinstance(value, Decimal):
        return value.normalize()
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, dict):
        return {name: count for name, count in sorted(value.items()) if count}
    return value


def _compare_rows(name: str, expected: AnyRow, actual: AnyRow) -> Iterable[str]:
    for column, value in expected.items():
        if column not in actual:
            yield f"{name}: no column {column}"
        elif value != actual[column]:
            yield f"{name}: {column} should be {value!r}, is {actual[column]!r}"
