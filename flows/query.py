"""`tributary sql`: ask a result file, and write the answer as a table, CSV or JSON.

The file is opened to be read only, with time in UTC.
"""

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import duckdb
import msgspec

from flows.opening import absence, refusal
from flows.text_table import text_table

Format: TypeAlias = Literal["table", "csv", "json"]
Row: TypeAlias = tuple[Any, ...]

TABLE_ROWS_MAX: Final = 1_000
"""Nobody reads more; csv and json give every row."""

# Money goes out with every digit it has.
_JSON: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


class QueryError(Exception):
    """A query that cannot be answered; the message says why and what to do."""


def run_sql(database: Path, sql: str, fmt: Format = "table") -> str:
    """Answer one SQL statement about a result file; raises QueryError."""
    with open_result(database) as connection:
        try:
            if not connection.extract_statements(sql):
                msg = "the query is empty; one SQL statement is expected"
                raise QueryError(msg)
            answer = connection.execute(sql)
            columns = [(name, str(kind)) for name, kind, *_ in answer.description or ()]
            # What is beyond the last row of a table tells that there is more.
            is_table = fmt == "table"
            rows = answer.fetchmany(TABLE_ROWS_MAX + 1) if is_table else answer.fetchall()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
    return _WRITERS[fmt](columns, rows)


def open_result(database: Path) -> duckdb.DuckDBPyConnection:
    """Open a result file to be read, with time in UTC; raises QueryError."""
    if not database.is_file():
        raise QueryError(absence(database))
    try:
        connection = duckdb.connect(database, read_only=True)
    except duckdb.Error as error:
        raise QueryError(refusal(database, error)) from error
    connection.execute("set timezone = 'UTC'")
    return connection


def _table(columns: list[tuple[str, str]], rows: list[Row]) -> str:
    cells = ([_cell(value, null="NULL") for value in row] for row in rows[:TABLE_ROWS_MAX])
    table = text_table([name for name, _ in columns], cells)
    if len(rows) > TABLE_ROWS_MAX:
        return f"{table}\n(the first {TABLE_ROWS_MAX:,} rows; csv and json give all)"
    return table


def _csv(columns: list[tuple[str, str]], rows: list[Row]) -> str:
    page = StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(name for name, _ in columns)
    writer.writerows([_cell(value, null="") for value in row] for row in rows)
    return page.getvalue().removesuffix("\n")


def _json(columns: list[tuple[str, str]], rows: list[Row]) -> str:
    lines = (_JSON.encode(dict(_members(columns, row))).decode() for row in rows)
    return "[" + ",\n ".join(lines) + "]"


def _members(columns: list[tuple[str, str]], row: Row) -> Iterable[tuple[str, Any]]:
    for (name, kind), value in zip(columns, row, strict=True):
        is_document = kind == "JSON" and value is not None
        yield name, msgspec.Raw(value.encode()) if is_document else value


def _cell(value: object, *, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, str):
        return value
    text = _JSON.encode(value).decode()
    return text.strip('"') if text.startswith('"') else text


_WRITERS: Final = {"table": _table, "csv": _csv, "json": _json}
