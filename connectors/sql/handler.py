"""Answers requests to a running job.

`POST /sql` takes a JSON object, `GET /sql?q=` the same as parameters. A client that closes its
connection ends its query. `GET /copy` sends the result as of the last commit: its file, then its
write-ahead log.
"""

import logging
import secrets
import select
import socket
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from connectors import metrics
from connectors.database.held_file import HeldFile, NoCopyError
from connectors.sql.answers import KINDS, Format, as_arrow, as_csv, as_json
from connectors.sql.errors import QueryError
from connectors.sql.queries import Queries
from connectors.sql.question import (
    BadRequestError,
    Question,
    UnreadBodyError,
    from_body,
    from_parameters,
)
from connectors.sql.running import (
    BusyError,
    EndingError,
    GoneError,
    OutOfTimeError,
    Running,
    TooMuchMemoryError,
)

LOG: Final = logging.getLogger("tributary")

IDLE_SECONDS: Final = 30.0
"""How long a connection may send nothing, or take nothing."""

RETRY_SECONDS: Final = 1

COMMIT: Final = "Tributary-Commit"
TRUNCATED: Final = "Tributary-Truncated"
FILE_BYTES: Final = "Tributary-File-Bytes"
"""Headers: the last commit that the answer contains; whether there are more rows than were sent;
how much of a copy is the file."""

_STATUS: Final[dict[type[QueryError], tuple[int, str]]] = {
    BusyError: (429, "TOO_MANY_QUERIES"),
    OutOfTimeError: (504, "OUT_OF_TIME"),
    EndingError: (503, "ENDING"),
    GoneError: (499, "GONE"),
    TooMuchMemoryError: (413, "TOO_MUCH_MEMORY"),
    BadRequestError: (400, "INVALID_REQUEST"),
    UnreadBodyError: (400, "INVALID_REQUEST"),
    QueryError: (400, "QUERY_FAILED"),
}
"""Status and code of each error."""


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server_version = "tributary"
    sys_version = ""

    def __init__(
        self,
        queries: Queries,
        file: HeldFile,
        token: str,
        *connection: Any,  # noqa: ANN401
    ) -> None:
        """Answer from queries, and send a file, to those who know the token."""
        self._queries = queries
        self._file = file
        self._token = f"Bearer {token}".encode()
        self._is_begun = False
        super().__init__(*connection)

    def do_GET(self) -> None:
        """Answer a question in parameters, or send the file."""
        ask = partial(self._run, self._asked_by_parameters)
        self._answer({"/sql": ask, "/copy": self._send_copy})

    def do_POST(self) -> None:
        """Answer a question in a body."""
        self._answer({"/sql": partial(self._run, self._asked_by_body)})

    def _answer(self, paths: Mapping[str, Callable[[], None]]) -> None:
        self._is_begun = False
        answer = paths.get(urlsplit(self.path).path)
        if answer is None:
            self._refuse(404, "NOT_FOUND", f"there is {' and '.join(paths)}")
        elif not self._is_let_in():
            self._refuse(401, "UNAUTHORIZED", "the token of the job is expected as bearer token")
        else:
            try:
                answer()
            except OSError:
                metrics.SQL_QUERIES.labels("gone").inc()
                raise
            except NoCopyError as error:
                self._refuse(429, "NO_COPY", str(error))
            except QueryError as error:
                self.close_connection |= isinstance(error, UnreadBodyError)
                metrics.SQL_QUERIES.labels(_STATUS[type(error)][1].lower()).inc()
                self._refuse(*_STATUS[type(error)], str(error))
            except Exception as error:  # noqa: BLE001  the next question is answered all the same
                metrics.SQL_QUERIES.labels("failed").inc()
                at = traceback.extract_tb(error.__traceback__)[-1]
                # Without the message and the statement, which may hold identifiers.
                LOG.error("no answer: %s in %s:%s", type(error).__name__, at.filename, at.lineno)  # noqa: TRY400
                self._refuse(500, "FAILED", "the job could not answer; its log says where")

    def _is_let_in(self) -> bool:
        given = self.headers.get("Authorization", "").encode(errors="replace")
        return secrets.compare_digest(given, self._token)

    def _asked_by_parameters(self) -> Question:
        return from_parameters(urlsplit(self.path).query)

    def _asked_by_body(self) -> Question:
        return from_body(self.rfile, self.headers.get("Content-Length", ""))

    def _run(self, read: Callable[[], Question]) -> None:
        question = read()
        asked = self._queries.asked(
            question.sql,
            question.parameters,
            timeout_s=question.timeout_s,
            is_gone=self._is_gone,
        )
        with metrics.SQL_RUNNING.track_inprogress(), metrics.SQL_DURATION.time(), asked as running:
            rows_max = question.rows_max or self._queries.limits.rows_max
            self._send(running, question.format or self._accepted(), max(rows_max, 1))
        metrics.SQL_QUERIES.labels("answered").inc()

    def _accepted(self) -> Format:
        accepted = self.headers.get("Accept", "")
        return next(
            (name for name, kind in KINDS.items() if kind.split(";")[0] in accepted), "json"
        )

    def _send(self, running: Running, fmt: Format, rows_max: int) -> None:
        headers = {"Content-Type": KINDS[fmt], COMMIT: str(running.commit)}
        if fmt == "arrow":
            pieces = as_arrow(running, rows_max)
            first = next(pieces)
            self._begin(200, {**headers, "Transfer-Encoding": "chunked"})
            self._send_piece(first)
            for piece in pieces:
                self._send_piece(piece)
            self._send_piece(b"")
        else:
            text = (as_json if fmt == "json" else as_csv)(running, rows_max)
            headers[TRUNCATED] = str(text.is_truncated).lower()
            self._begin(200, {**headers, "Content-Length": str(len(text.body))})
            self.wfile.write(text.body)

    def _send_piece(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _send_copy(self) -> None:
        with self._file.copying() as copy:
            of = copy.of
            headers = {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(of.file_bytes + of.wal_bytes),
                FILE_BYTES: str(of.file_bytes),
                COMMIT: str(of.seq),
            }
            self._begin(200, headers)
            for piece in chain(copy.file(), copy.log()):
                self.wfile.write(piece)

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self._is_begun:  # the client sees that the end is missing
            self.close_connection = True
            return
        body = msgspec.json.encode({"error": {"code": code, "message": message}})
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            headers["Retry-After"] = str(RETRY_SECONDS)
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        if self.command == "POST" and status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND}:
            self.close_connection = True  # its body was not read
        self._begin(status, headers)
        self.wfile.write(body)

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self._is_begun = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _is_gone(self) -> bool:
        """Return whether the client has closed its connection."""
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        try:
            return bool(poll.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it has
        """Do not log requests."""
