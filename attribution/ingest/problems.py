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

AUTH_MISSING: Final = dataclasses.replace(UNAUTHORIZED, code="AUTH_MISSING")
"""Of a call without any key, where that is told apart from one with a wrong key."""

NOT_PERMITTED: Final = CallProblem(403, "ACCESS_DENIED", "the API key has no right to do this")

NOT_FOUND: Final = CallProblem(
    404,
    "NOT_FOUND",
    "no such advertiser or event source for this API key; register sources with "
    "event-sources/sync first",
)
"""Of what does not exist and of what belongs to another: the answer does not tell them apart."""

ACCOUNT_NOT_FOUND: Final = CallProblem(
    404, "ACCOUNT_NOT_FOUND", "accounts are known by account_id here; send the advertiser's id"
)

READ_ONLY_SCOPE: Final = CallProblem(403, "READ_ONLY_SCOPE", "the API key may only read")

CREDENTIAL_IN_ARGS: Final = CallProblem(
    400,
    "CREDENTIAL_IN_ARGS",
    "credentials belong into the Authorization header; revoke one that was sent elsewhere",
)


def wrong_type(expected: Sequence[str]) -> CallProblem:
    """Refuse a body of another content type."""
    message = f"Content-Type must be {' or '.join(expected)}"
    return CallProblem(415, "UNSUPPORTED_MEDIA_TYPE", message)


IDEMPOTENCY_CONFLICT: Final = CallProblem(
    409,
    "CONFLICT",
    "the idempotency_key was used for another request; send this one with a new one",
)
"""Says nothing of the other request."""

IDEMPOTENCY_EXPIRED: Final = CallProblem(
    409,
    "IDEMPOTENCY_EXPIRED",
    "the idempotency_key was used too long ago to give its answer again; events that were logged "
    "then are duplicates now, so send them with a new one",
)

IDEMPOTENCY_IN_FLIGHT: Final = CallProblem(
    409,
    "IDEMPOTENCY_IN_FLIGHT",
    "the request with this idempotency_key is not done yet; send it again with the same one",
    retry_after_seconds=1,
)

IDEMPOTENCY_LIMITED: Final = CallProblem(
    429,
    "RATE_LIMITED",
    "too many new values of idempotency_key; send it again with the same one",
    retry_after_seconds=1,
)


def version_unsupported(where: str, supported: Sequence[str]) -> CallProblem:
    """Refuse a request for another protocol than ours."""
    versions = list(supported)
    message = f"versions {', '.join(versions)} of AdCP are supported"
    return CallProblem(
        400, "VERSION_UNSUPPORTED", message, where, details={"supported_versions": versions}
    )


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


NOT_STORED: Final = unavailable("nothing can be stored now; send it again")

DISK_FULL: Final = unavailable("the disk is nearly full", retry_after_seconds=60)

CAPI_MESSAGES: Final = {
    "BAD_REQUEST": "Invalid JSON payload",
    "VALIDATION_ERROR": "Validation error",
    "UNAUTHORIZED": "Unauthorized",
    "ACCESS_DENIED": "Access denied",
    "UNSUPPORTED_MEDIA_TYPE": "Content-Type must be application/json",
}
"""The texts of the Conversion API, by code."""
