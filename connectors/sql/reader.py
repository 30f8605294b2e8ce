"""Questions to a result in SQL: from whoever asks, to the job that writes it or to its file.

While a job runs, its file is locked for other processes, so the job answers; otherwise the file is
opened read-only.
"""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import duckdb
import pyarrow as pa

from connectors.database.file import absence, holder_of, refusal
from connectors.sql.announcement import find_job
from connectors.sql.answers import ARROW_BATCH_ROWS, commit_of, with_metadata
from connectors.sql.client import ANSWER_BYTES_MAX, ROWS_MAX, LostJobError, ask, too_large
from connectors.sql.formats import columns_of
from connectors.sql.statements import Parameter, QueryError, check_reads

FOLLOW_SECONDS: Final = 10.0
"""How long to look for a job that has answered before; to start again takes it some seconds."""

START_SECONDS: Final = 0.5
"""How long to look for a job that has the file open but has not announced itself yet."""

AGAIN_SECONDS: Final = 0.05


class Reader(Protocol):
    """Answers questions to one result; each question sees one commit. Threads may share it."""

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Return all rows of one statement that reads; raises QueryError.

        More than 10 million rows or 1 GB are an error too. `answers.commit_of` tells the commit.
        """

    def commit(self) -> int:
        """Return the number of the last commit, 0 before the first; raises QueryError."""

    def close(self) -> None:
        """Release the file or the connection."""


class LockedError(QueryError):
    """A process that does not answer questions has the file open."""


def open_reader(database: Path, *, hold: bool = True) -> Reader:
    """Return what answers questions to a result, from its job or from its file.

    A file stays open until the reader is closed, so that all questions see the same commit; while
    it is open no job can start. With `hold` false it is opened for each question, as a process
    needs that outlives jobs. Raises QueryError.
    """
    return _JobOrFile(database, hold=hold)


class _JobOrFile:
    """Asks the job while one runs, and the file otherwise."""

    def __init__(self, database: Path, *, hold: bool) -> None:
        self._database = database
        self._hold = hold
        self._file: FileReader | None = None
        self._lock = threading.Lock()
        self._has_answered = False
        if not database.is_file():
            raise QueryError(absence(database))
        if hold and find_job(database) is None:
            self.commit()  # opens the file, or waits for the job that has

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Return all rows of one statement that reads; raises QueryError."""
        begun = time.monotonic()
        while True:
            try:
                return self._answer(sql, parameters)
            except (LostJobError, LockedError):
                patience = FOLLOW_SECONDS if self._has_answered else START_SECONDS
                if time.monotonic() - begun > patience:
                    raise
            time.sleep(AGAIN_SECONDS)

    def _answer(self, sql: str, parameters: Sequence[Parameter]) -> pa.Table:
        if (file := self._file) is not None:
            return file.query(sql, parameters)
        if (job := find_job(self._database)) is not None:
            self._has_answered = True
            return ask(job, sql, parameters)
        if not self._hold:
            file = FileReader(self._database)
            try:
                return file.query(sql, parameters)
            finally:
                file.close()
        with self._lock:
            self._file = self._file or FileReader(self._database)
        return self._file.query(sql, parameters)

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

    def query(self, sql: str, parameters: Sequence[Parameter] = ()) -> pa.Table:
        """Return all rows of one statement that reads; raises QueryError."""
        cursor = self._connection.cursor()
        try:
            check_reads(cursor, sql)
            cursor.execute(sql, list(parameters))
            types = [column.type for column in columns_of(cursor.description or ())]
            reader = cursor.to_arrow_reader(ARROW_BATCH_ROWS)
            schema = with_metadata(reader.schema, commit=self._commit, types=types)
            return pa.Table.from_batches(_bounded(reader), schema)
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


def _bounded(reader: pa.RecordBatchReader) -> list[pa.RecordBatch]:
    """Return all batches; raises QueryError if they are too large."""
    batches, rows, size = [], 0, 0
    for batch in reader:
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > ROWS_MAX or size > ANSWER_BYTES_MAX:
            raise too_large()
        batches.append(batch)
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
