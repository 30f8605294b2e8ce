"""Records that no client would write, sent as the protocol has them: names of headers are bytes."""

import socket
import struct
import time

NOT_YET = {3, 5, 6}
"""Codes of a broker that does not know of a new topic yet, or of its own part in it."""

WAIT_SECONDS_MAX = 30

CRC32C = 0x82F63B78
"""The polynomial, its bits reversed."""


def send_raw(servers: str, topic: str, value: bytes, header: tuple[bytes, bytes]) -> None:
    """Append one record to the first partition."""
    batch = _batch(_record(value, header))
    produce = [
        struct.pack(">hhi", 0, 3, 1) + _text(b"tests") + _text(None) + struct.pack(">hi", -1, 5000),
        struct.pack(">i", 1) + _text(topic.encode()),
        struct.pack(">iii", 1, 0, len(batch)) + batch,
    ]
    until = time.monotonic() + WAIT_SECONDS_MAX
    while (code := _answered(servers, topic, b"".join(produce))) in NOT_YET:
        assert time.monotonic() < until, f"the broker does not get ready: {code}"
        time.sleep(0.1)
    assert code == 0, "the broker took the record"


def _answered(servers: str, topic: str, request: bytes) -> int:
    """Send a request to produce; return the error code of the partition, 0 for none."""
    host, _, port = servers.partition(":")
    with socket.create_connection((host, int(port))) as broker:
        broker.sendall(struct.pack(">i", len(request)) + request)
        answer = broker.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        # Behind the number of the request, the topic, and the number of its partition.
        said = answer.read(size)[4 + 4 + 2 + len(topic) + 4 + 4 :]
    return int(struct.unpack(">h", said[:2])[0])


def _batch(record: bytes) -> bytes:
    now = time.time_ns() // 1_000_000
    body = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    head = struct.pack(">qi", 0, 4 + 1 + 4 + len(body)) + struct.pack(">ib", -1, 2)
    return head + struct.pack(">I", _crc32c(body)) + body


def _record(value: bytes, header: tuple[bytes, bytes]) -> bytes:
    fields = b"\0" + _varint(0) + _varint(0) + _varint(-1) + _sized(value)
    fields += _varint(1) + b"".join(map(_sized, header))
    return _varint(len(fields)) + fields


def _sized(content: bytes) -> bytes:
    return _varint(len(content)) + content


def _varint(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    written = bytearray()
    while rest >= 0x80:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*written, rest])


def _text(content: bytes | None) -> bytes:
    return struct.pack(">h", -1) if content is None else struct.pack(">h", len(content)) + content


def _crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CRC32C if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
