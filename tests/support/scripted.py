"""An HTTP server that answers what it is told to, for what a sound API never does on demand."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

CUT_OFF = 0
"""The status of no answer at all: the connection is closed."""


@dataclass
class Scripted:
    """Answers in turn, each with status and headers; the bodies that came."""

    url: str
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def scripted(answers: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Scripted]:
    """Serve until left; 200 accepts all, and is the answer once the script is over."""
    script = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers = script.pop(0) if script else (200, {})
            if status == CUT_OFF:
                self.close_connection = True
                return
            error = {"code": "X", "message": f"scripted {status}"}
            accepted: dict[str, Any] = {"partial_failures": []}
            body = {"data": None, "error": error} if status >= 400 else accepted
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Scripted(f"http://127.0.0.1:{listening.server_port}")
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
