"""Asks a running job, found by its announcement, over HTTP on loopback."""

import http.client
import io
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Final

import msgspec
import pyarrow as pa

from connectors.sql.announcement import Announcement
from connectors.sql.statements import Parameter, QueryError

ROWS_MAX: Final = 10_000_000
"""Rows that an answer may have; more are an export."""

ANSWER_BYTES_MAX: Final = 1 << 30
"""Bytes that an answer may have: whoever asked holds them in memory."""

SILENCE_SECONDS_MAX: Final = 660.0
"""How long a job may send nothing: longer than the longest time limit of a query."""

BUFFER_BYTES: Final = 1 << 20

LOST: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE)
"""Statuses of a job that is ending, or that another one has replaced."""


class LostJobError(QueryError):
    """The job did not answer: it has ended, or is starting again."""


class BusyJobError(LostJobError):
    """The job answers too many others."""


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
) -> pa.Table:
    """Return all rows of a query; raises QueryError, and LostJobError if the job is gone."""
    question = {
        "sql": sql,
        "parameters": list(parameters),
        "timeout_s": timeout_s,
        "rows_max": ROWS_MAX,
        "format": "arrow",
    }
    connection = http.client.HTTPConnection("127.0.0.1", job.port, timeout=SILENCE_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {job.token}", "Connection": "close"}
    with closing(connection):
        try:
            connection.request("POST", "/sql", msgspec.json.encode(question), headers)
            return _read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            msg = f"the job, process {job.pid}, does not answer; ask again"
            raise LostJobError(msg) from error


def _read(response: http.client.HTTPResponse) -> pa.Table:
    if response.status != HTTPStatus.OK:
        _refuse(response)
    batches = []
    with pa.ipc.open_stream(io.BufferedReader(response, BUFFER_BYTES)) as stream:
        for batch, told in stream.iter_batches_with_custom_metadata():
            if told is not None and b"error" in told:
                raise QueryError(told[b"error"].decode())
            if told is not None and b"truncated" in told:
                raise too_large()
            batches.append(batch)
        return pa.Table.from_batches(batches, stream.schema)


def _refuse(response: http.client.HTTPResponse) -> None:
    body = response.read()
    try:
        message = msgspec.json.decode(body, type=_Refusal).error.message
    except msgspec.DecodeError:
        message = f"the job answers with status {response.status}"
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise BusyJobError(message)
    raise (LostJobError if response.status in LOST else QueryError)(message)


def too_large() -> QueryError:
    """Return the error for an answer that is no answer but an export."""
    return QueryError(
        f"the answer has more than {ROWS_MAX:,} rows or {ANSWER_BYTES_MAX >> 20:,} MB; "
        "aggregate, or add a limit"
    )
