"""`tributary sql`: query a result file, and format the rows as a table, CSV or JSON.

The file is opened read-only, with the time zone UTC.
"""

from pathlib import Path
from typing import Final, Literal, TypeAlias

import duckdb

from connectors.sql.formats import (
    Column,
    Row,
    cell,
    columns_of,
    header_in_csv,
    row_as_object,
    row_in_csv,
)
from connectors.sql.reader import open_result
from connectors.sql.statements import QueryError, check_reads
from flows.text import text_table

Format: TypeAlias = Literal["table", "csv", "json"]

TABLE_ROWS_MAX: Final = 1_000
"""More rows are not readable as a table; csv and json have every row."""


def run_sql(database: Path, sql: str, fmt: Format = "table") -> str:
    """Return the formatted rows of one read-only SQL statement; raises QueryError."""
    with open_result(database) as connection:
        try:
            check_reads(connection, sql)
            answer = connection.execute(sql)
            columns = columns_of(answer.description or ())
            # One row beyond the limit of a table shows that there are more.
            is_table = fmt == "table"
            rows = answer.fetchmany(TABLE_ROWS_MAX + 1) if is_table else answer.fetchall()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
    return _WRITERS[fmt](columns, rows)


def _table(columns: list[Column], rows: list[Row]) -> str:
    cells = ([cell(value, null="NULL") for value in row] for row in rows[:TABLE_ROWS_MAX])
    table = text_table([column.name for column in columns], cells)
    if len(rows) > TABLE_ROWS_MAX:
        return f"{table}\n(the first {TABLE_ROWS_MAX:,} rows; csv and json give all)"
    return table


def _csv(columns: list[Column], rows: list[Row]) -> str:
    return "\n".join([header_in_csv(columns), *map(row_in_csv, rows)])


def _json(columns: list[Column], rows: list[Row]) -> str:
    return "[" + ",\n ".join(row_as_object(columns, row) for row in rows) + "]"


_WRITERS: Final = {"table": _table, "csv": _csv, "json": _json}
