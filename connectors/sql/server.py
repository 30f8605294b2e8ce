"""HTTP server of a running job for `/sql`, on loopback, with a token.

`POST /sql` takes a JSON object, `GET /sql?q=` the same as parameters. A client that closes its
connection ends its query.
"""

import logging
import secrets
import select
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from connectors import metrics
from connectors.errors import OperatorError
from connectors.sql.answers import KINDS, Format, as_arrow, as_csv, as_json
from connectors.sql.errors import Parameter, QueryError
from connectors.sql.queries import Queries
from connectors.sql.running import (
    BusyError,
    EndingError,
    GoneError,
    OutOfTimeError,
    Running,
    TooMuchMemoryError,
)

LOG: Final = logging.getLogger("tributary")

LOOPBACK: Final = "127.0.0.1"
"""Answers are for this machine only; remote access needs a proxy in front."""

PORT_MAX: Final = 65_535

BODY_BYTES_MAX: Final = 1 << 20
"""Size of a question, far above any statement that a person writes."""

CONNECTIONS_MAX: Final = 128
"""Connections at once, each with a thread; further ones are refused."""

IDLE_SECONDS: Final = 30.0
"""How long a connection may send nothing, or take nothing."""

RETRY_SECONDS: Final = 1

COMMIT: Final = "Tributary-Commit"
TRUNCATED: Final = "Tributary-Truncated"
"""Headers: the last commit that the query saw; whether there are more rows than were sent."""


class ServerError(OperatorError):
    """The port cannot be used; the message says why and what to do."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a request."""

    sql: str
    parameters: list[Parameter] = []
    timeout_s: float | None = None
    rows_max: int | None = None
    format: Format | None = None


class BadRequestError(QueryError):
    """A request is no question; the message says what is expected."""


@contextmanager
def served(queries: Queries, token: str, port: int) -> Iterator[int]:
    """Answer while the block runs and yield the port; port 0 picks a free one.

    Raises ServerError if the port is taken.
    """
    with _opened(port, partial(_Handler, queries, token)) as server:
        Thread(target=server.serve_forever, args=(0.1,), name="live sql", daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def check_port(port: int) -> None:
    """Check that a port is free; raises ServerError."""
    _opened(port, BaseHTTPRequestHandler).server_close()


def _opened(port: int, handler: Callable[..., BaseHTTPRequestHandler]) -> "_Server":
    try:
        return _Server((LOOPBACK, port), handler)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else f"the last one is {PORT_MAX}"
        msg = f"port {port} cannot be served: {why}; set another live_sql.port"
        raise ServerError(msg) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = CONNECTIONS_MAX

    def __init__(
        self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]
    ) -> None:
        self._places = BoundedSemaphore(CONNECTIONS_MAX)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with suppress(OSError):
            request.sendall(_FULL)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing about a client that closed its connection early."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


_FULL: Final = (
    f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_SECONDS}\r\n"
    "Content-Length: 0\r\nConnection: close\r\n\r\n"
).encode()

_STATUS: Final[dict[type[QueryError], tuple[int, str]]] = {
    BusyError: (429, "TOO_MANY_QUERIES"),
    OutOfTimeError: (504, "OUT_OF_TIME"),
    EndingError: (503, "ENDING"),
    GoneError: (499, "GONE"),
    TooMuchMemoryError: (413, "TOO_MUCH_MEMORY"),
    BadRequestError: (400, "INVALID_REQUEST"),
    QueryError: (400, "QUERY_FAILED"),
}
"""Status and code of each error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    server_version = "tributary"
    sys_version = ""

    def __init__(self, queries: Queries, token: str, *connection: Any) -> None:  # noqa: ANN401
        self._queries = queries
        self._token = f"Bearer {token}".encode()
        self._is_begun = False
        super().__init__(*connection)

    def do_GET(self) -> None:
        self._answer(self._asked_by_parameters)

    def do_POST(self) -> None:
        self._answer(self._asked_by_body)

    def _answer(self, question: Callable[[], Question]) -> None:
        self._is_begun = False
        if urlsplit(self.path).path != "/sql":
            self._refuse(404, "NOT_FOUND", "there is /sql")
        elif not self._is_let_in():
            self._refuse(401, "UNAUTHORIZED", "the token of the job is expected as bearer token")
        else:
            try:
                self._run(question())
            except OSError:
                metrics.SQL_QUERIES.labels("gone").inc()
                raise
            except QueryError as error:
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
        names = {"q": "sql"}
        try:
            given = parse_qs(urlsplit(self.path).query, strict_parsing=True, errors="strict")
            fields: dict[str, Any] = {names.get(key, key): text for key, (text,) in given.items()}
            if "parameters" in fields:
                fields["parameters"] = msgspec.json.decode(fields["parameters"])
            return msgspec.convert(fields, Question, strict=False)
        except ValueError as error:
            raise _bad(error) from error

    def _asked_by_body(self) -> Question:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            msg = f"a Content-Length up to {BODY_BYTES_MAX:,} is expected; got {length or 'none'}"
            raise BadRequestError(msg)
        try:
            return msgspec.json.decode(self.rfile.read(int(length)), type=Question)
        except ValueError as error:
            raise _bad(error) from error

    def _run(self, question: Question) -> None:
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


def _bad(error: ValueError) -> BadRequestError:
    return BadRequestError(f'a question like {{"sql": "select 1"}} is expected: {error}')
