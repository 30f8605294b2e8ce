"""Calls for deliveries, from a route or a tool: asked of the result, refused where unknown."""

from functools import partial
from typing import Final

from attribution.ingest.problems import NOT_PERMITTED, CallProblem, invalid
from connectors.api.guard import ProblemError
from connectors.api.keys import ApiKey
from connectors.api.reads.asked import Ask, Row
from connectors.api.reads.delivery import delivery
from connectors.api.reads.delivery_request import DeliveryRequest
from connectors.api.reads.media_buys import BUYS_MAX
from connectors.api.results import NOT_YET

UNKNOWN: Final = "MEDIA_BUY_NOT_FOUND"
"""AdCP's code."""

MESSAGE: Final = "no impression, click or credit of this media buy is known here"


async def deliveries(ask: Ask, key: ApiKey, request: DeliveryRequest) -> Row:
    """Return the content of an answer; some of several media buys may be unknown.

    Raises ProblemError, also for a key of some event sources only: what a media buy has earned is
    of all of them.
    """
    if key.sources:
        raise ProblemError(NOT_PERMITTED)
    found = await ask(request, partial(delivery, request=request))
    if found.is_too_much:
        message = f"more than {BUYS_MAX} media buys have delivered; name those that are wanted"
        raise ProblemError(invalid(message, "media_buy_ids"))
    if not found.content:
        raise ProblemError(NOT_YET)
    if found.unknown and not found.content["media_buy_deliveries"]:
        raise ProblemError(CallProblem(404, UNKNOWN, MESSAGE))
    errors = [_error(request, each) for each in found.unknown]
    return found.content | ({"errors": errors} if errors else {})


def _error(request: DeliveryRequest, media_buy_id: str) -> Row:
    at = (request.media_buy_ids or ()).index(media_buy_id)
    return {
        "code": UNKNOWN,
        "message": MESSAGE,
        "field": f"media_buy_ids[{at}]",
        "recovery": "correctable",
    }
