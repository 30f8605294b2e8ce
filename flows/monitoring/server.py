"""HTTP server of a continuous run for `/metrics` and `/healthz`.

A run is healthy while epochs end: each one reaches the sink, even if nothing arrives. If the last
one was many epochs ago, the flow is stuck.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors import metrics
from connectors.errors import OperatorError

LOOPBACK: Final = "127.0.0.1"
"""Metrics are served to this machine only; remote access needs a proxy in front."""

COMMIT_AGE_MAX: Final = 60.0
"""Seconds without an epoch at the sink before a run counts as stuck. An epoch normally takes a
second; a checkpoint, or a large backlog on a slow disk, takes several."""

PORT_MAX: Final = 65_535

ANSWER_SECONDS: Final = 5.0
"""Timeout of a connection for sending its request."""


class MonitorError(OperatorError):
    """The port cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the run is healthy, and if not, why."""

    status: str
    reason: str | None
    commit_age_seconds: float | None

    @classmethod
    def now(cls, age_max: float) -> "Health":
        """Judge the run by the age of the last epoch."""
        age = metrics.commit_age()
        if age is None:
            return cls("starting", "no epoch has been committed yet", None)
        if age > age_max:
            return cls("stuck", f"no epoch was committed for more than {age_max:g} s", age)
        return cls("ok", None, age)


@contextmanager
def serve(port: int, *, age_max: float = COMMIT_AGE_MAX) -> Iterator[int]:
    """Serve while the block runs and yield the port; port 0 picks a free one.

    Raises MonitorError if the port is taken.
    """
    with _opened(port, age_max) as server:
        thread = Thread(target=server.serve_forever, args=(0.1,), name="monitor", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def check_ports(first: int, count: int) -> None:
    """Check that the port of every process of a run is free; raises MonitorError."""
    for port in range(first, first + count):
        _opened(port, COMMIT_AGE_MAX).server_close()


def _opened(port: int, age_max: float) -> "_Server":
    try:
        return _Server((LOOPBACK, port), _handler(age_max))
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else f"the last one is {PORT_MAX}"
        msg = f"port {port} cannot be served: {why}; name another --metrics-port"
        raise MonitorError(msg) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing about a client that closed its connection early."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler(age_max: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = ANSWER_SECONDS

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.REGISTRY))
            elif self.path == "/healthz":
                health = Health.now(age_max)
                body = msgspec.json.encode(health)
                self._answer(200 if health.status == "ok" else 503, "application/json", body)
            else:
                self._answer(404, "text/plain", b"there are /metrics and /healthz\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it has
            """Do not log requests."""

    return Handler
