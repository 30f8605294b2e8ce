"""How a body is sent changes nothing: its chunks, its encoding, its spelling, the headers' case."""

import gzip
import json
import socket
from collections.abc import Callable, Mapping
from itertools import pairwise
from urllib.parse import urlsplit

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connectors.api.conftest import Served
from tests.connectors.api.test_app import call
from tests.support import raw

PATH = "/api/buyer/advertisers/adv/log-event"
DOCUMENT = call(raw.event("e1"), raw.event("e2", event_type="nothing"), raw.event("e3"))
EXPECTED = (3, ["e2"])


def zstd(body: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packing:
        packing.write(body)
    return bytes(sink.getvalue())


ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "zstd": zstd,
}
SPELLINGS: tuple[Callable[[], str], ...] = (
    lambda: json.dumps(DOCUMENT),
    lambda: json.dumps(DOCUMENT, indent="\t"),
    lambda: json.dumps(DOCUMENT, separators=(",", ":"), ensure_ascii=False),
    lambda: "\r\n " + json.dumps(DOCUMENT) + " \n",
)
IN_ANY_ORDER = settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def sent(served: Served, head: str, parts: list[bytes]) -> bytes:
    """Send a request part by part; return the answer, or nothing if the connection is cut."""
    url = urlsplit(str(served.client.base_url))
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=20) as connection:
        connection.sendall(head.encode())
        for part in parts:
            connection.sendall(part)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            received = connection.recv(65_536)
            if not received:
                break
            answer += received
    return answer


def head_of(served: Served, encoding: str, *more: str, shout: bool = False) -> str:
    lines = [
        f"Authorization: {served.client.headers['Authorization']}",
        "Content-Type: application/json;charset=utf-8",
        f"Content-Encoding: {encoding}",
        *more,
    ]
    names = [line.partition(":") for line in lines]
    spelled = [f"{name.upper() if shout else name}:{value}" for name, _, value in names]
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: tributary", *spelled, "", ""])


def chunked(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    pieces = [content[at:to] for at, to in pairwise(places)]
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece] + [b"0\r\n\r\n"]


@IN_ANY_ORDER
@given(
    encoding=st.sampled_from(sorted(ENCODINGS)),
    spelling=st.sampled_from(SPELLINGS),
    cuts=st.lists(st.integers(0, 10_000), max_size=6),
    shout=st.booleans(),
)
def test_the_answer_is_the_same_however_a_body_is_sent(
    registered: Served,
    encoding: str,
    spelling: Callable[[], str],
    cuts: list[int],
    shout: bool,  # noqa: FBT001  Hypothesis passes by name
) -> None:
    content = ENCODINGS[encoding](spelling().encode())
    head = head_of(registered, encoding, "Transfer-Encoding: chunked", shout=shout)
    answer = sent(registered, head, chunked(content, cuts))
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    failed = [each["event_id"] for each in found["partial_failures"]]
    assert (found["events_received"], failed) == EXPECTED


@IN_ANY_ORDER
@given(encoding=st.sampled_from(sorted(ENCODINGS)), share=st.floats(0, 0.99))
def test_a_body_that_is_cut_off_stores_nothing(
    registered: Served, encoding: str, share: float
) -> None:
    before = len(registered.stored())
    content = ENCODINGS[encoding](json.dumps(DOCUMENT).encode())
    cut_off = content[: int(len(content) * share)]
    # The connection ends early; and a whole request whose content is not whole.
    url = urlsplit(str(registered.client.base_url))
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=20) as connection:
        head = head_of(registered, encoding, f"Content-Length: {len(content)}")
        connection.sendall(head.encode() + cut_off)
    head = head_of(registered, encoding, f"Content-Length: {len(cut_off)}")
    assert sent(registered, head, [cut_off]).startswith(b"HTTP/1.1 400 ")
    assert len(registered.stored()) == before
    assert registered.client.get("/healthz").status_code == 200
