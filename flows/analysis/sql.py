"""`tributary sql`: query a result file, and format the rows as a table, CSV or JSON.

The file is opened read-only, with the time zone UTC.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import duckdb
import msgspec

from connectors.sql.reader import open_result
from connectors.sql.statements import QueryError, check_reads
from flows.text import text_table

Format: TypeAlias = Literal["table", "csv", "json"]
Row: TypeAlias = tuple[Any, ...]

TABLE_ROWS_MAX: Final = 1_000
"""More rows are not readable as a table; csv and json have every row."""

# Money is written with all its digits.
_JSON: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

_QUOTED: Final = re.compile(r'[",\r\n]')


def run_sql(database: Path, sql: str, fmt: Format = "table") -> str:
    """Return the formatted rows of one read-only SQL statement; raises QueryError."""
    with open_result(database) as connection:
        try:
            check_reads(connection, sql)
            answer = connection.execute(sql)
            columns = _columns(answer.description or ())
            # One row beyond the limit of a table shows that there are more.
            is_table = fmt == "table"
            rows = answer.fetchmany(TABLE_ROWS_MAX + 1) if is_table else answer.fetchall()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
    return _WRITERS[fmt](columns, rows)


def _columns(description: Iterable[tuple[Any, ...]]) -> list[tuple[str, str]]:
    """Return name and type of each column; a name that repeats gets a number, as in `a`, `a_1`."""
    seen: Counter[str] = Counter()
    columns = []
    for name, kind, *_ in description:
        columns.append((f"{name}_{seen[name]}" if seen[name] else name, str(kind)))
        seen[name] += 1
    return columns


def _table(columns: list[tuple[str, str]], rows: list[Row]) -> str:
    cells = ([_cell(value, null="NULL") for value in row] for row in rows[:TABLE_ROWS_MAX])
    table = text_table([name for name, _ in columns], cells)
    if len(rows) > TABLE_ROWS_MAX:
        return f"{table}\n(the first {TABLE_ROWS_MAX:,} rows; csv and json give all)"
    return table


def _csv(columns: list[tuple[str, str]], rows: list[Row]) -> str:
    """Return CSV, with NULL as nothing and an empty text as "" so that they differ."""
    lines = [",".join(_field(name) for name, _ in columns)]
    for row in rows:
        fields = ("" if value is None else _field(_cell(value, null="")) for value in row)
        lines.append(",".join(fields))
    return "\n".join(lines)


def _field(text: str) -> str:
    if text and not _QUOTED.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _json(columns: list[tuple[str, str]], rows: list[Row]) -> str:
    lines = (_JSON.encode(dict(_members(columns, row))).decode() for row in rows)
    return "[" + ",\n ".join(lines) + "]"


def _members(columns: list[tuple[str, str]], row: Row) -> Iterable[tuple[str, Any]]:
    for (name, kind), value in zip(columns, row, strict=True):
        is_document = kind == "JSON" and value is not None
        yield name, msgspec.Raw(value.encode()) if is_document else _finite(value)


def _finite(value: Any) -> Any:  # noqa: ANN401  whatever a column may hold
    """Return the value with NaN and infinities as texts, because JSON numbers exclude them."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return value


def _cell(value: object, *, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, str):
        return value
    text = _JSON.encode(_finite(value)).decode()
    return text.strip('"') if text.startswith('"') else text


_WRITERS: Final = {"table": _table, "csv": _csv, "json": _json}
