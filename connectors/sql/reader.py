"""Questions to a result in SQL: from whoever asks, to the job that writes it or to its file.

While a job runs, its file is locked for other processes, so the job answers; otherwise the file is
opened read-only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import duckdb
import pyarrow as pa

from connectors.database.file import absence, refusal
from connectors.sql.statements import QueryError, check_reads

Parameter = str | int | float | bool | None
"""A value for a `?`; instants are texts, cast in the statement."""

LAST_COMMIT: Final = "select coalesce(max(seq), 0) from commits"


class Reader(Protocol):
    """Answers questions to one result; each question sees one commit."""

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Return all rows of one statement that reads; raises QueryError."""

    def commit(self) -> int:
        """Return the number of the last commit, 0 before the first; raises QueryError."""

    def close(self) -> None:
        """Release the file or the connection."""


def open_reader(database: Path) -> Reader:
    """Return what answers questions to a result; raises QueryError."""
    return FileReader(database)


class FileReader:
    """Reads a result file that no job writes."""

    def __init__(self, database: Path) -> None:
        """Open the file; raises QueryError."""
        self._connection = open_result(database)

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Return all rows of one statement that reads; raises QueryError."""
        cursor = self._connection.cursor()
        try:
            check_reads(cursor, sql)
            return cursor.execute(sql, list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
        finally:
            cursor.close()

    def commit(self) -> int:
        """Return the number of the last commit."""
        return int(self.query(LAST_COMMIT).column(0)[0].as_py())

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_result(database: Path) -> duckdb.DuckDBPyConnection:
    """Open a result file read-only, with the time zone UTC; raises QueryError."""
    if not database.is_file():
        raise QueryError(absence(database))
    try:
        connection = duckdb.connect(database, read_only=True)
    except duckdb.Error as error:
        raise QueryError(refusal(database, error)) from error
    connection.execute("set timezone = 'UTC'")
    return connection
