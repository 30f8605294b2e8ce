"""Questions to a result in SQL: from whoever asks, to the job that writes it or to its file.

While a job runs, its file is locked for other processes, so the job answers; otherwise the file is
opened read-only.
"""

import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from connectors.database.file import absence, holder_of, refusal
from connectors.sql.announcement import find_job
from connectors.sql.answers import ARROW_BATCH_ROWS, commit_of, with_metadata
from connectors.sql.client import ANSWER_BYTES_MAX, ROWS_MAX, ask, too_large
from connectors.sql.errors import LockedError, Parameter, QueryError
from connectors.sql.formats import columns_of
from connectors.sql.patience import FOLLOW_SECONDS, START_SECONDS, patiently
from connectors.sql.statements import check_reads


class Reader(Protocol):
    """Answers questions to one result; each question sees one commit. Threads may share it."""

    def query(
        self, sql: str, parameters: Sequence[Parameter] = (), *, rows_max: int | None = None
    ) -> pa.Table:
        """Return all rows of one statement that reads, or the first ones; raises QueryError.

        More than 10 million rows or 1 GB are an error too. `answers.commit_of` tells the commit.
        """

    def commit(self) -> int:
        """Return the number of the last commit, 0 before the first; raises QueryError."""

    def close(self) -> None:
        """Release the file or the connection."""


def open_reader(database: Path, *, hold: bool = True) -> Reader:
    """Return what answers questions to a result, from its job or from its file.

    A file stays open until the reader is closed, so that all questions see the same commit; while
    it is open no job can start. With `hold` false it is opened for each question, as a process
    needs that outlives jobs. Raises QueryError.
    """
    if not database.is_file():
        raise QueryError(absence(database))
    if not hold:
        return JobReader(database, hold=False)
    return patiently(lambda: _opened(database), START_SECONDS)


def _opened(database: Path) -> Reader:
    if find_job(database) is not None:
        return JobReader(database)
    return FileReader(database)


class JobReader:
    """Asks the job of a result, also after it has started again, and the file where none runs."""

    def __init__(self, database: Path, *, hold: bool = True) -> None:
        """Look for the job at each question."""
        self._database = database
        self._hold = hold
        self._file: FileReader | None = None
        self._lock = threading.Lock()
        self._patience = START_SECONDS

    def query(
        self, sql: str, parameters: Sequence[Parameter] = (), *, rows_max: int | None = None
    ) -> pa.Table:
        """Return all rows of one statement that reads, or the first ones; raises QueryError."""
        return patiently(lambda: self._answer(sql, parameters, rows_max), self._patience)

    def _answer(self, sql: str, parameters: Sequence[Parameter], rows_max: int | None) -> pa.Table:
        if (file := self._file) is not None:
            return file.query(sql, parameters, rows_max=rows_max)
        if (job := find_job(self._database)) is not None:
            self._patience = FOLLOW_SECONDS
            return ask(job, sql, parameters, rows_max=rows_max)
        if not self._hold:
            with closing(FileReader(self._database)) as file:
                return file.query(sql, parameters, rows_max=rows_max)
        with self._lock:
            file = self._file = self._file or FileReader(self._database)
        return file.query(sql, parameters, rows_max=rows_max)

    def commit(self) -> int:
        """Return the number of the last commit; raises QueryError."""
        return commit_of(self.query("select 1"))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class FileReader:
    """Reads a result file that no job writes."""

    def __init__(self, database: Path) -> None:
        """Open the file; raises QueryError."""
        self._connection = open_result(database)
        try:
            last = self._connection.execute("select coalesce(max(seq), 0) from commits").fetchall()
        except duckdb.Error as error:
            self._connection.close()
            raise QueryError(refusal(database, error)) from error
        self._commit = int(last[0][0])

    def query(
        self, sql: str, parameters: Sequence[Parameter] = (), *, rows_max: int | None = None
    ) -> pa.Table:
        """Return all rows of one statement that reads, or the first ones; raises QueryError."""
        cursor = self._connection.cursor()
        try:
            check_reads(cursor, sql)
            cursor.execute(sql, list(parameters))
            types = [column.type for column in columns_of(cursor.description or ())]
            reader = cursor.to_arrow_reader(ARROW_BATCH_ROWS)
            schema = with_metadata(reader.schema, commit=self._commit, types=types)
            return pa.Table.from_batches(_bounded(reader, rows_max), schema)
        except (duckdb.Error, pa.ArrowException) as error:
            raise QueryError(str(error)) from error
        finally:
            cursor.close()

    def commit(self) -> int:
        """Return the number of the last commit."""
        return self._commit

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _bounded(reader: pa.RecordBatchReader, rows_max: int | None) -> list[pa.RecordBatch]:
    """Return all batches, or the first rows; raises QueryError if they are too large."""
    batches, rows, size = [], 0, 0
    for batch in reader:
        batches.append(batch if rows_max is None else batch.slice(0, rows_max - rows))
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows_max is not None and rows >= rows_max:
            break
        if rows > ROWS_MAX or size > ANSWER_BYTES_MAX:
            raise too_large()
    return batches


def open_result(database: Path) -> duckdb.DuckDBPyConnection:
    """Open a result file read-only, with the time zone UTC; raises QueryError."""
    if not database.is_file():
        raise QueryError(absence(database))
    try:
        connection = duckdb.connect(database, read_only=True)
    except duckdb.Error as error:
        kind = LockedError if holder_of(error) else QueryError
        raise kind(refusal(database, error)) from error
    connection.execute("set global timezone = 'UTC'")
    return connection
