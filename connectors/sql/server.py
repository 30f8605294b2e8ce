"""HTTP server of a running job, on loopback, with a token."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Any, Final

from connectors.database.held_file import HeldFile
from connectors.errors import OperatorError
from connectors.sql.handler import RETRY_SECONDS, Handler
from connectors.sql.queries import Queries

LOOPBACK: Final = "127.0.0.1"
"""Answers are for this machine only; remote access needs a proxy in front."""

PORT_MAX: Final = 65_535

CONNECTIONS_MAX: Final = 128
"""Connections at once, each with a thread; further ones are refused."""


class ServerError(OperatorError):
    """The port cannot be used; the message says why and what to do."""


@contextmanager
def served(queries: Queries, file: HeldFile, token: str, port: int) -> Iterator[int]:
    """Answer while the block runs and yield the port; port 0 picks a free one.

    Raises ServerError if the port is taken.
    """
    with _opened(port, partial(Handler, queries, file, token)) as server:
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
