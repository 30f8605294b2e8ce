"""How an answer looks over REST: successful, refused, and counted."""

import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter

from attribution.ingest.problems import CallProblem
from connectors.api.guard import ProblemError

LOG: Final = structlog.get_logger("tributary")

METRICS: Final = CollectorRegistry()
"""Metrics of the API; they never hold an identifier, a key or a payload."""

# Refusals rise: a sender has changed. 503 rises: the disk is full or slow.
CALLS: Final = Counter(
    "tributary_api_calls", "Calls by route and status", ["route", "status"], registry=METRICS
)

# Rises: clicks cannot be attributed, because the disk is full or slow.
LOST: Final = Counter(
    "tributary_lost_records",
    "Clicks and impressions of links that were not stored",
    ["type"],
    registry=METRICS,
)


async def answered(
    route: str, answer: Callable[[], Awaitable[Response]], texts: Mapping[str, str] | None = None
) -> Response:
    """Answer a call, and count it; a refused one as its problem says.

    `texts` replaces the messages of problems by code.
    """
    try:
        response = await answer()
    except ProblemError as error:
        response = refused(error.problem, texts or {})
    CALLS.labels(route, response.status_code).inc()
    return response


def failure(error: Exception) -> CallProblem:
    """Return the answer to a fault of the program; the log has where, without what was sent."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    LOG.error("a call failed", kind=type(error).__name__, place=f"{where.filename}:{where.lineno}")
    return CallProblem(500, "INTERNAL_ERROR", "the server has failed")


def refused(problem: CallProblem, texts: Mapping[str, str]) -> Response:
    """Return the answer to a refused call: `{"data": null, "error": …}`."""
    error: dict[str, Any] = {
        "code": problem.code,
        "message": texts.get(problem.code, problem.message),
    }
    error |= {"field": problem.field} if problem.field else {}
    error |= {"details": problem.details} if problem.details else {}
    retry = problem.retry_after_seconds
    headers = {} if retry is None else {"Retry-After": str(retry)}
    return JSONResponse({"data": None, "error": error}, problem.status, headers)
