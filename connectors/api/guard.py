"""What every call has to pass before it is judged: who calls, how much is sent, and as what."""

import asyncio
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
from starlette.requests import Request

from attribution.contract.document import MAX_DOCUMENT_BYTES
from attribution.ingest.problems import (
    TOO_SLOW,
    UNAUTHORIZED,
    CallProblem,
    bad_json,
    too_large,
    wrong_type,
)
from connectors.api.keys import ApiKey, KeyStore

BODY_BYTES_MAX: Final = MAX_DOCUMENT_BYTES - (1 << 20)
"""Of a body, unpacked; the stored line has a stamp and an advertiser more."""

BODY_SECONDS_MAX: Final = 60.0
"""How long a body may take to arrive."""

JSON: Final = "application/json"

KEY_SECONDS: Final = 2.0
"""How long a key that was found counts without looking again: a revoked one ends within it."""

KNOWN_KEYS_MAX: Final = 10_000


class ProblemError(Exception):
    """A call is refused."""

    def __init__(self, problem: CallProblem) -> None:
        """Carry the reason."""
        super().__init__(problem.code)
        self.problem = problem


@dataclass(slots=True)
class Guard:
    """Finds the key of a call, and reads its body within bounds."""

    keys: KeyStore
    _known: dict[str, tuple[float, ApiKey]] = field(default_factory=dict)

    def caller(self, headers: Mapping[str, str]) -> ApiKey:
        """Return the key of a call; raises ProblemError."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        secret = bearer.strip() if scheme.lower() == "bearer" else ""
        secret = secret or headers.get("x-scope3-api-key", "").strip()
        if not secret:
            raise ProblemError(UNAUTHORIZED)
        found_at, key = self._known.get(secret, (0.0, None))
        if key is None or time.monotonic() - found_at > KEY_SECONDS:
            key = self.keys.find(secret)
            if key is None:
                self._known.pop(secret, None)
                raise ProblemError(UNAUTHORIZED)
            if len(self._known) >= KNOWN_KEYS_MAX:
                self._known.clear()
            self._known[secret] = (time.monotonic(), key)
        return key


def content_type(request: Request) -> str:
    """Return the content type of a call, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, kinds: Sequence[str] = (JSON,)) -> bytes:
    """Read and unpack the body of a call, of one of these content types; raises ProblemError."""
    headers = request.headers
    if content_type(request) not in kinds:
        raise ProblemError(wrong_type(kinds))
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > BODY_BYTES_MAX:
        raise ProblemError(too_large(BODY_BYTES_MAX))
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            body = await _received(request)
    except TimeoutError:
        raise ProblemError(TOO_SLOW) from None
    return _unpacked(body, headers.get("content-encoding", "identity").lower())


async def _received(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise ProblemError(too_large(BODY_BYTES_MAX))
        parts.append(part)
    return b"".join(parts)


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"}:
        return body
    try:
        if encoding == "gzip":
            unpacker = zlib.decompressobj(wbits=31)
            unpacked = unpacker.decompress(body, BODY_BYTES_MAX + 1)
            is_cut_off = not unpacker.eof and len(unpacked) <= BODY_BYTES_MAX
        elif encoding == "zstd":
            with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
                unpacked = stream.read(BODY_BYTES_MAX + 1)
            is_cut_off = not unpacked
        else:
            raise ProblemError(bad_json(f"Content-Encoding {encoding} is not gzip, zstd or none"))
    except (zlib.error, OSError) as error:
        raise ProblemError(bad_json(f"the body is not valid {encoding}")) from error
    if len(unpacked) > BODY_BYTES_MAX:
        raise ProblemError(too_large(BODY_BYTES_MAX))
    if is_cut_off:
        raise ProblemError(bad_json(f"the {encoding} body is cut off"))
    return unpacked
