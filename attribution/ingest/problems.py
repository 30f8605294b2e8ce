"""Why a whole call is refused: status, code and text, once for all transports.

Codes and texts of the REST routes are those of the published API; the Conversion API has its own
texts for the same situations.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class CallProblem:
    """A refused call. `status` is that of HTTP, `field` names what is wrong in the request."""

    status: int
    code: str
    message: str
    field: str | None = None
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    retry_after_seconds: int | None = None


def bad_json(message: str) -> CallProblem:
    """Refuse a body that is no JSON object."""
    return CallProblem(400, "BAD_REQUEST", message)


def invalid(message: str, where: str | None, **details: object) -> CallProblem:
    """Refuse a request whose frame is not sound."""
    return CallProblem(400, "VALIDATION_ERROR", message, where, details)


UNAUTHORIZED: Final = CallProblem(
    401,
    "UNAUTHORIZED",
    "no valid API key: send Authorization: Bearer scope3_... or x-scope3-api-key",
)

NOT_PERMITTED: Final = CallProblem(403, "ACCESS_DENIED", "the API key has no right to do this")

NOT_FOUND: Final = CallProblem(
    404,
    "NOT_FOUND",
    "no such advertiser or event source for this API key; register sources with "
    "event-sources/sync first",
)
"""Of what does not exist and of what belongs to another: the answer does not tell them apart."""


def wrong_type(expected: Sequence[str]) -> CallProblem:
    """Refuse a body of another content type."""
    message = f"Content-Type must be {' or '.join(expected)}"
    return CallProblem(415, "UNSUPPORTED_MEDIA_TYPE", message)


def too_large(limit: int) -> CallProblem:
    """Refuse a body beyond the limit."""
    return CallProblem(
        413,
        "PAYLOAD_TOO_LARGE",
        f"a body is at most {limit} bytes, unpacked; send fewer events per call",
        details={"limit_bytes": limit},
    )


def rate_limited(per_minute: int, what: str, retry_after_seconds: int) -> CallProblem:
    """Refuse what is beyond the rate of a key."""
    return CallProblem(
        429,
        "RATE_LIMITED",
        f"this API key may send {per_minute} {what} per minute; slow down",
        retry_after_seconds=retry_after_seconds,
    )


TOO_SLOW: Final = CallProblem(
    408, "REQUEST_TIMEOUT", "the body did not arrive in time; send it again"
)


def unavailable(message: str, retry_after_seconds: int = 1) -> CallProblem:
    """Refuse for now: nothing of the call was kept, and it may be sent again."""
    return CallProblem(
        503,
        "SERVICE_UNAVAILABLE",
        message,
        retry_after_seconds=retry_after_seconds,
    )


CAPI_MESSAGES: Final = {
    "BAD_REQUEST": "Invalid JSON payload",
    "VALIDATION_ERROR": "Validation error",
    "UNAUTHORIZED": "Unauthorized",
    "ACCESS_DENIED": "Access denied",
    "UNSUPPORTED_MEDIA_TYPE": "Content-Type must be application/json",
}
"""The texts of the Conversion API, by code."""
