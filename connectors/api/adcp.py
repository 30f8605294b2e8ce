"""How an answer looks to an AdCP client: flat, with a status, its context, and typed errors."""

from collections.abc import Mapping
from typing import Any, Final

from attribution.ingest.problems import CallProblem

CODES: Final = {
    "BAD_REQUEST": "INVALID_REQUEST",
    "VALIDATION_ERROR": "INVALID_REQUEST",
    "PAYLOAD_TOO_LARGE": "INVALID_REQUEST",
    "UNAUTHORIZED": "AUTH_INVALID",
    "ACCESS_DENIED": "SCOPE_INSUFFICIENT",
    "NOT_FOUND": "REFERENCE_NOT_FOUND",
    "CONFLICT": "IDEMPOTENCY_CONFLICT",
    "INTERNAL_ERROR": "SERVICE_UNAVAILABLE",
}
"""Codes of AdCP for those of the REST routes; all others are the same."""

CODES_BY_REASON: Final = {"DUPLICATE_EVENT_SOURCE_ID": "VALIDATION_ERROR"}
"""Codes of requests that are sound but make no sense, by the reason in their details."""

TERMINAL: Final = frozenset({"AUTH_INVALID", "ACCOUNT_NOT_FOUND", "CREDENTIAL_IN_ARGS"})
"""Codes of what neither waiting nor another request mends."""

TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 503})

RETRY_SECONDS_MAX: Final = 3_600


def completed(
    content: Mapping[str, Any],
    context: object = None,
    *,
    is_replayed: bool = False,
    is_staging: bool = False,
) -> dict[str, Any]:
    """Return a successful answer; `context` is the caller's, given back as it came."""
    answer = {"status": "completed", **content}
    answer |= {"replayed": True} if is_replayed else {}
    answer |= {"sandbox": True} if is_staging else {}
    return answer | _echo(context)


def failed(problem: CallProblem, context: object = None) -> dict[str, Any]:
    """Return the answer to a refused call."""
    error = error_of(problem)
    return {"status": "failed", "errors": [error], "adcp_error": error} | _echo(context)


def error_of(problem: CallProblem) -> dict[str, Any]:
    """Return a problem as an error of AdCP, with what can be done about it."""
    reason = problem.details.get("reason")
    code = CODES_BY_REASON.get(str(reason)) or CODES.get(problem.code, problem.code)
    retry = problem.retry_after_seconds
    is_transient = problem.status in TRANSIENT_STATUS or retry is not None
    recovery = "transient" if is_transient else "terminal" if code in TERMINAL else "correctable"
    error: dict[str, Any] = {"code": code, "message": problem.message, "recovery": recovery}
    error |= {"field": problem.field} if problem.field else {}
    error |= {"retry_after": min(max(retry, 1), RETRY_SECONDS_MAX)} if retry is not None else {}
    error |= {"details": problem.details} if problem.details else {}
    return error


def _echo(context: object) -> dict[str, Any]:
    return {"context": context} if isinstance(context, dict) else {}
