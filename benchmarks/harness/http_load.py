"""Load over HTTP/1.1 on loopback: prepared requests over some connections, answers timed.

The client parses as little as it can, so that on a machine of two cores the server is measured.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

import numpy as np
import uvloop

from attribution.columnar.columns import Array

_OK: Final = b"HTTP/1.1 200"
_LENGTH: Final = b"content-length: "


@dataclass(frozen=True, slots=True)
class Load:
    """What was sent: `seconds` of it, and the latency of each call in ms. All were answered 200."""

    seconds: float
    milliseconds: Array

    @property
    def calls_per_second(self) -> float:
        """The rate of answers."""
        return len(self.milliseconds) / self.seconds

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in ms."""
        return float(np.percentile(self.milliseconds, share))


def request(path: str, body: bytes, key: str) -> bytes:
    """Return the bytes of a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Load:
    """Send requests in turn over some connections for a while; return when all are answered.

    With a `rate` (calls per second), latency counts from when a call was due, not from when a
    connection was free. Raises RuntimeError for an answer other than 200.
    """
    return uvloop.run(_send(port, requests, connections, seconds, rate))


async def _send(
    port: int, requests: Sequence[bytes], connections: int, seconds: float, rate: float | None
) -> Load:
    latencies: list[float] = []
    turns = cycle(requests)
    started = time.perf_counter()
    number = 0

    async def connection() -> None:
        nonlocal number
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        while (due := _due(started, number, rate)) < started + seconds:
            number += 1
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            writer.write(next(turns))
            await _answer(reader)
            latencies.append((time.perf_counter() - due) * 1_000)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return Load(time.perf_counter() - started, np.array(latencies))


def _due(started: float, number: int, rate: float | None) -> float:
    return time.perf_counter() if rate is None else started + number / rate


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    at = head.lower().index(_LENGTH) + len(_LENGTH)
    body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    if not head.startswith(_OK):
        msg = f"{head.splitlines()[0]!r}: {body[:300]!r}"
        raise RuntimeError(msg)
