"""Asks a running job, found by its announcement, over HTTP on loopback.

Neither DuckDB nor Arrow is needed to ask for text; a command that does starts sooner.
"""

# ruff: noqa: PLC0415  Arrow is imported where it is needed

import http.client
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from connectors.sql.announcement import Announcement
from connectors.sql.errors import BusyJobError, LostJobError, Parameter, QueryError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_MAX: Final = 10_000_000
"""Rows that an answer may have; more are an export."""

ANSWER_BYTES_MAX: Final = 1 << 30
"""Bytes that an answer may have: whoever asked holds them in memory."""

SILENCE_SECONDS_MAX: Final = 660.0
"""How long a job may send nothing: longer than the longest time limit of a query."""

BUFFER_BYTES: Final = 1 << 20

LOST: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
"""Statuses of a job that is ending, or that another one has replaced."""


class Cells(msgspec.Struct, frozen=True):
    """An answer as JSON, each cell as it was written."""

    columns: list[str]
    types: list[str]
    rows: list[list[msgspec.Raw]]
    truncated: bool
    commit: int


class _Complaint(msgspec.Struct):
    code: str
    message: str


class _Refusal(msgspec.Struct):
    error: _Complaint


def ask(
    job: Announcement,
    sql: str,
    parameters: Sequence[Parameter] = (),
    *,
    timeout_s: float | None = None,
    rows_max: int | None = None,
) -> "pa.Table":
    """Return the rows of a query, or the first `rows_max` of them.

    Raises QueryError, and LostJobError if the job is gone.
    """
    question = {
        "sql": sql,
        "parameters": list(parameters),
        "timeout_s": timeout_s,
        "rows_max": rows_max or ROWS_MAX,
        "format": "arrow",
    }
    with posted(job, "/sql", question) as response:
        return _read_table(response, may_end_early=rows_max is not None)


def ask_cells(job: Announcement, sql: str, rows_max: int) -> Cells:
    """Return the first rows of a query; raises as `ask` does."""
    question = {"sql": sql, "rows_max": rows_max, "format": "json"}
    with posted(job, "/sql", question) as response:
        return msgspec.json.decode(response.read(), type=Cells)


@contextmanager
def posted(
    job: Announcement, path: str, question: Mapping[str, object]
) -> Iterator[http.client.HTTPResponse]:
    """Send a question; yield its answer. Raises QueryError, also while the answer is read."""
    with _answered(job, "POST", path, msgspec.json.encode(question)) as response:
        yield response


@contextmanager
def gotten(job: Announcement, path: str) -> Iterator[http.client.HTTPResponse]:
    """Yield what a job sends; raises QueryError, also while it is read."""
    with _answered(job, "GET", path, None) as response:
        yield response


@contextmanager
def _answered(
    job: Announcement, method: str, path: str, body: bytes | None
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", job.port, timeout=SILENCE_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {job.token}", "Connection": "close"}
    with closing(connection):
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            if response.status != HTTPStatus.OK:
                _refuse(response)
            yield response
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            msg = f"the job, process {job.pid}, does not answer; ask again"
            raise LostJobError(msg) from error


def _refuse(response: http.client.HTTPResponse) -> None:
    message = msgspec.json.decode(response.read(), type=_Refusal).error.message
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise BusyJobError(message)
    raise (LostJobError if response.status in LOST else QueryError)(message)


def _read_table(response: http.client.HTTPResponse, *, may_end_early: bool) -> "pa.Table":
    import pyarrow as pa

    batches = []
    with pa.ipc.open_stream(io.BufferedReader(response, BUFFER_BYTES)) as stream:
        for batch, told in stream.iter_batches_with_custom_metadata():
            if told is not None and b"error" in told:
                raise QueryError(told[b"error"].decode())
            if told is not None and b"truncated" in told and not may_end_early:
                raise too_large()
            batches.append(batch)
        return pa.Table.from_batches(batches, stream.schema)


def too_large() -> QueryError:
    """Return the error for an answer that is no answer but an export."""
    return QueryError(
        f"the answer has more than {ROWS_MAX:,} rows or {ANSWER_BYTES_MAX >> 20:,} MB; "
        "aggregate, or add a limit"
    )
