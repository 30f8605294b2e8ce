"""A proxy before a broker that can stop passing anything on: the broker seems to hang."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.brokers.broker import Broker, free_port, tansu

CHUNK_BYTES = 65_536


@dataclass
class Proxy:
    """Passes bytes between clients and a broker, while its connections are not stalled."""

    port: int
    broker_port: int
    passes: list[threading.Event] = field(default_factory=list)

    def stall(self) -> None:
        """Keep what is said on the connections there are; new ones go through."""
        for each in self.passes:
            each.clear()

    def go_on(self) -> None:
        """Pass on what was kept, and all that follows."""
        for each in self.passes:
            each.set()

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            broker = socket.create_connection(("127.0.0.1", self.broker_port))
        except OSError:
            client.close()
            return
        passes = threading.Event()
        passes.set()
        self.passes.append(passes)
        for ends in ((client, broker), (broker, client)):
            threading.Thread(target=_pump, args=(*ends, passes), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, passes: threading.Event) -> None:
    try:
        while data := source.recv(CHUNK_BYTES):
            passes.wait()
            target.sendall(data)
    except OSError:
        pass
    for each in (source, target):
        each.close()


@contextmanager
def behind_proxy(folder: Path) -> Iterator[tuple[Broker, Proxy]]:
    """Yield a broker that clients reach through a proxy only, not started, and the proxy."""
    proxy = Proxy(free_port(), free_port())
    with socket.create_server(("127.0.0.1", proxy.port)) as listener:
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        try:
            yield tansu(folder, port=proxy.broker_port, advertised=proxy.port), proxy
        finally:
            proxy.go_on()
