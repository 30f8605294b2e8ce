"""Answers of a running job: the rows of a query as JSON, CSV or an Arrow stream, up to a limit.

Text is complete before the first byte is sent. An Arrow stream is sent batch by batch, so that a
large answer takes no memory of the job; if it ends early, an empty last batch says why.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from connectors.sql.client import ANSWER_BYTES_MAX, ROWS_MAX
from connectors.sql.errors import QueryError
from connectors.sql.formats import Column, columns_of, header_in_csv, row_as_array, row_in_csv
from connectors.sql.running import TOO_MUCH, Running, TooMuchMemoryError

Format: TypeAlias = Literal["json", "csv", "arrow"]

KINDS: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""The content type of each format."""

TEXT_ROWS_MAX: Final = 100_000
"""Rows as text: Python writes them, some microseconds each, which the job has to share."""

TEXT_BYTES_MAX: Final = 64 << 20
"""Bytes of text, which the job holds in memory."""

TEXT_BATCH_ROWS: Final = 500
ARROW_BATCH_ROWS: Final = 20_000
"""Rows fetched at once: text keeps the interpreter lock meanwhile."""

ABOUT: Final = b"tributary"
"""The key of the schema's metadata: a JSON object with `commit` and `types`, as DuckDB's names."""

TRUNCATED: Final = b"truncated"
ERROR: Final = b"error"
"""Keys of the metadata of the last batch of a stream that ended early."""


@dataclass(frozen=True, slots=True)
class Text:
    """A complete answer."""

    body: bytes
    is_truncated: bool


def as_json(running: Running, rows_max: int) -> Text:
    """Return an object with columns, types, rows, truncated and commit."""
    columns = columns_of(running.cursor.description or ())
    rows, is_truncated = _lines(running, rows_max, lambda row: row_as_array(columns, row))
    about = {"columns": [each.name for each in columns], "types": [each.type for each in columns]}
    tail = {"truncated": is_truncated, "commit": running.commit}
    head = json.dumps(about, ensure_ascii=False).encode()[:-1]
    end = json.dumps(tail).encode()[1:]
    return Text(head + b', "rows": [' + b",\n".join(rows) + b"], " + end + b"\n", is_truncated)


def as_csv(running: Running, rows_max: int) -> Text:
    """Return a header and a line per row."""
    columns = columns_of(running.cursor.description or ())
    rows, is_truncated = _lines(running, rows_max, lambda row: row_in_csv(row).encode())
    return Text(b"\n".join([header_in_csv(columns).encode(), *rows, b""]), is_truncated)


def _lines(
    running: Running, rows_max: int, line: Callable[[tuple[object, ...]], bytes]
) -> tuple[list[bytes], bool]:
    """Return the rows as lines, and whether there are more."""
    lines: list[bytes] = []
    size, limit = 0, min(rows_max, TEXT_ROWS_MAX)
    while True:
        rows = running.cursor.fetchmany(TEXT_BATCH_ROWS)
        running.check()
        if not rows:
            return lines, False
        for row in rows:
            lines.append(line(row))
            size += len(lines[-1])
            if len(lines) > limit or size > TEXT_BYTES_MAX:
                lines.pop()
                return lines, True


def as_arrow(running: Running, rows_max: int) -> Iterator[bytes]:
    """Yield an Arrow stream in pieces, the first with the first rows.

    Raises QueryError before the first piece; after it, an error is told in the last batch.
    """
    types = [column.type for column in columns_of(running.cursor.description or ())]
    reader = running.cursor.to_arrow_reader(ARROW_BATCH_ROWS)
    schema = with_metadata(reader.schema, commit=running.commit, types=types)
    batch = _next(reader, running)
    sink = _Pieces()
    with pa.ipc.new_stream(sink, schema) as stream:
        rows = size = 0
        while batch is not None:
            room = min(rows_max, ROWS_MAX) - rows
            stream.write_batch(batch.slice(0, room))
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if batch.num_rows > room or size > ANSWER_BYTES_MAX:
                stream.write_batch(batch.slice(0, 0), {TRUNCATED: b"true"})
                break
            yield sink.taken()
            nothing = batch.slice(0, 0)
            try:
                batch = _next(reader, running)
            except QueryError as error:
                stream.write_batch(nothing, {ERROR: str(error).encode()})
                break
    yield sink.taken()


def _next(reader: pa.RecordBatchReader, running: Running) -> pa.RecordBatch | None:
    """Return the next rows; None after the last ones."""
    try:
        batch = next(iter(reader), None)
    except MemoryError as error:
        raise running.stopped or TooMuchMemoryError(TOO_MUCH) from error
    except (pa.ArrowException, OSError) as error:
        is_memory = "Out of Memory" in str(error)
        reason = TooMuchMemoryError(TOO_MUCH) if is_memory else QueryError(str(error))
        raise running.stopped or reason from error
    running.check()
    return batch


class _Pieces(io.RawIOBase):
    """Collects what is written."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:  # noqa: ANN401  a buffer of any kind
        self._pieces.append(bytes(piece))
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def with_metadata(schema: pa.Schema, *, commit: int, types: list[str]) -> pa.Schema:
    """Return a schema that says which commit was seen, and DuckDB's names of the types."""
    told = json.dumps({"commit": commit, "types": types}, ensure_ascii=False)
    return schema.with_metadata({ABOUT: told.encode()})


def commit_of(answer: pa.Table) -> int:
    """Return the last commit that the query behind an answer saw."""
    return int(json.loads(answer.schema.metadata[ABOUT])["commit"])


def columns_in(answer: pa.Table) -> list[Column]:
    """Return the columns of an answer with DuckDB's names of their types."""
    types = json.loads(answer.schema.metadata[ABOUT])["types"]
    return [Column(*each) for each in zip(answer.column_names, types, strict=True)]
