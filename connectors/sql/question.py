"""A question as it comes over HTTP: in the parameters of a `GET`, or as the body of a `POST`."""

from io import BufferedIOBase
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from connectors.sql.answers import Format
from connectors.sql.errors import Parameter, QueryError

BODY_BYTES_MAX: Final = 1 << 20
"""Size of a question, far above any statement that a person writes."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The body of a request."""

    sql: str
    parameters: list[Parameter] = []
    timeout_s: float | None = None
    rows_max: int | None = None
    format: Format | None = None


class BadRequestError(QueryError):
    """A request is no question; the message says what is expected."""


class UnreadBodyError(BadRequestError):
    """A body was not read, so no further request can follow on its connection."""


def from_parameters(query: str) -> Question:
    """Return the question in a URL; raises BadRequestError."""
    names = {"q": "sql"}
    try:
        given = parse_qs(query, strict_parsing=True, errors="strict")
        fields: dict[str, Any] = {names.get(key, key): text for key, (text,) in given.items()}
        if "parameters" in fields:
            fields["parameters"] = msgspec.json.decode(fields["parameters"])
        return msgspec.convert(fields, Question, strict=False)
    except ValueError as error:
        raise _bad(error) from error


def from_body(body: BufferedIOBase, length: str) -> Question:
    """Read the question in a body of a length as the client states it; raises BadRequestError."""
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        msg = f"a Content-Length up to {BODY_BYTES_MAX:,} is expected; got {length or 'none'}"
        raise UnreadBodyError(msg)
    try:
        return msgspec.json.decode(body.read(int(length)), type=Question)
    except ValueError as error:
        raise _bad(error) from error


def _bad(error: ValueError) -> BadRequestError:
    return BadRequestError(f'a question like {{"sql": "select 1"}} is expected: {error}')
