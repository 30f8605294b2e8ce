"""`tributary sql`: query a result, and format the rows as a table, CSV or JSON.

A running job is asked for text, which needs neither DuckDB nor Arrow; only for many rows it is
asked once more, for an Arrow stream. A file is opened read-only, with the time zone UTC.
"""

# ruff: noqa: PLC0415  the libraries of one way are not imported for the other

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from connectors.sql.announcement import find_job
from connectors.sql.client import ask, ask_cells
from connectors.sql.errors import QueryError
from connectors.sql.formats import (
    RAW,
    Column,
    Row,
    cell,
    columns_of,
    header_in_csv,
    row_as_object,
    row_in_csv,
    texts_of,
)
from connectors.sql.patience import START_SECONDS, patiently
from flows.text import text_table

if TYPE_CHECKING:
    import pyarrow as pa

Format: TypeAlias = Literal["table", "csv", "json"]

TABLE_ROWS_MAX: Final = 1_000
"""More rows are not readable as a table; csv and json have every row."""

TEXT_ROWS_MAX: Final = 5_000
"""Rows that a job is asked for as text, which Python writes; more come as an Arrow stream."""


def run_sql(database: Path, sql: str, fmt: Format = "table") -> str:
    """Return the formatted rows of one read-only SQL statement; raises QueryError."""
    return patiently(lambda: _answer(database, sql, fmt), START_SECONDS)


def _answer(database: Path, sql: str, fmt: Format) -> str:
    # One row beyond the limit of a table shows that there are more.
    rows_max = TABLE_ROWS_MAX + 1 if fmt == "table" else None
    if (job := find_job(database)) is None:
        return _of_file(database, sql, fmt, rows_max)
    cells = ask_cells(job, sql, rows_max or TEXT_ROWS_MAX)
    if cells.truncated and rows_max is None:
        return _of_arrow(ask(job, sql), fmt)
    if fmt == "json":
        columns = [Column(name, RAW) for name in cells.columns]
        return _WRITERS[fmt](columns, [tuple(row) for row in cells.rows])
    columns = [Column(*each) for each in zip(cells.columns, cells.types, strict=True)]
    return _WRITERS[fmt](columns, [texts_of(columns, row) for row in cells.rows])


def _of_file(database: Path, sql: str, fmt: Format, rows_max: int | None) -> str:
    import duckdb

    from connectors.sql.reader import open_result
    from connectors.sql.statements import check_reads

    with open_result(database) as connection:
        try:
            check_reads(connection, sql)
            answer = connection.execute(sql)
            columns = columns_of(answer.description or ())
            rows = answer.fetchall() if rows_max is None else answer.fetchmany(rows_max)
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
    return _WRITERS[fmt](columns, rows)


def _of_arrow(answer: "pa.Table", fmt: Format) -> str:
    import duckdb

    from connectors.sql.answers import columns_in

    stream = answer.__arrow_c_stream__()  # noqa: F841  DuckDB finds it by name
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute("from stream").fetchall()
    return _WRITERS[fmt](columns_in(answer), rows)


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
