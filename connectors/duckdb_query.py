"""One query over one batch of rows, in the in-memory DuckDB of this process."""

import threading
from functools import cache
from typing import Any, Final

import duckdb
import pyarrow as pa

_BATCH_ROWS: Final = 1 << 20
"""More than frames and chunks have. DuckDB reserves memory for so many rows at once: for 2^30 the
system takes milliseconds, and refuses it where the memory of the process is limited."""

_THREAD: Final = threading.local()


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    """Return the process's in-memory engine; one thread per query, because frames are small."""
    return duckdb.connect(config={"threads": 1})


def _connection() -> duckdb.DuckDBPyConnection:
    """Return the connection of this thread."""
    if not hasattr(_THREAD, "connection"):
        _THREAD.connection = _engine().cursor()
    connection: duckdb.DuckDBPyConnection = _THREAD.connection
    return connection


def _stream(rows: pa.Table | pa.RecordBatch | None) -> Any:  # noqa: ANN401  a capsule, opaque
    """Return rows as a stream: DuckDB scans a table as a dataset, which costs a millisecond."""
    return None if rows is None else rows.__arrow_c_stream__()


def query(
    sql: str,
    rows: pa.Table | pa.RecordBatch | None = None,
    others: pa.Table | pa.RecordBatch | None = None,
) -> pa.RecordBatch:
    """Run a query over tables named `input` and `others`, each of which it may read once.

    Returns the rows as one batch, in the order of the input.
    """
    # DuckDB finds these variables by name, in half the time that registering a table takes.
    input = _stream(rows)  # noqa: A001, F841
    others = _stream(others)
    reader = _connection().execute(sql).to_arrow_reader(_BATCH_ROWS)
    batches = list(reader)
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=reader.schema)
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
