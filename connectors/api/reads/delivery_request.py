"""What a call asks of a delivery, checked: days, model, breakdown, media buys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from attribution.ingest.problems import CallProblem, invalid
from attribution.vocabulary import MODELS
from connectors.api.guard import ProblemError
from connectors.api.reads.media_buy_row import STATUS
from connectors.api.reads.media_buys import BUYS_MAX, Wanted
from connectors.api.reads.periods import LAST_DAY

DEFAULT_MODEL: Final = "last_touch"

STANDARD_MODELS: Final = tuple(each for each in MODELS if each != "position_based")
"""Those that AdCP has a word for; a request for any other is answered under the default."""

DAYS_MAX: Final = 366
"""Days of a daily breakdown."""

FIRST_DAY: Final = date(1970, 1, 1)

ID_CHARACTERS_MAX: Final = 256

UNSUPPORTED: Final = {
    "reporting_revision_id": "UNSUPPORTED_FEATURE",
    "pagination": "UNSUPPORTED_FEATURE",
    "time_granularity": "UNSUPPORTED_GRANULARITY",
}
"""Fields that cannot be heeded and must not be ignored, and AdCP's codes for that."""


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """What is wanted; of all media buys if none is named."""

    wanted: Wanted
    media_buy_ids: tuple[str, ...] | None


def request_of(advertiser_id: str, given: Mapping[str, Any]) -> DeliveryRequest:
    """Check the arguments of a call; raises ProblemError."""
    for name, code in UNSUPPORTED.items():
        if given.get(name) is not None:
            message = f"{name} is not supported here; leave it out"
            raise ProblemError(CallProblem(400, code, message, name))
    start, end = _day(given, "start_date"), _day(given, "end_date")
    if start and end and not start < end:
        raise ProblemError(invalid("a day after start_date is expected", "end_date"))
    has_days = given.get("include_package_daily_breakdown") or False
    if not isinstance(has_days, bool):
        message = "true or false is expected"
        raise ProblemError(invalid(message, "include_package_daily_breakdown"))
    if has_days and not (start and end and (end - start).days <= DAYS_MAX):
        message = f"a daily breakdown needs start_date and end_date, {DAYS_MAX} days apart at most"
        raise ProblemError(invalid(message, "start_date"))
    wanted = Wanted(advertiser_id, start, end, _model(given.get("attribution_window")), has_days)
    return DeliveryRequest(wanted, _named(given))


def _day(given: Mapping[str, Any], name: str) -> date | None:
    text = given.get(name)
    if text is None:
        return None
    try:
        found = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or text != found.isoformat() or not FIRST_DAY <= found <= LAST_DAY:
        raise ProblemError(invalid("a day such as 2026-04-26 is expected", name))
    return found


def _model(window: object) -> str:
    if window is None:
        return DEFAULT_MODEL
    if not isinstance(window, Mapping) or not isinstance(window.get("model", ""), str):
        raise ProblemError(invalid("an object is expected", "attribution_window"))
    model = window.get("model")
    return model if model in STANDARD_MODELS else DEFAULT_MODEL


def _named(given: Mapping[str, Any]) -> tuple[str, ...] | None:
    statuses = given.get("status_filter") or [STATUS]
    if STATUS not in (statuses if isinstance(statuses, list) else [statuses]):
        return ()
    named = given.get("media_buy_ids")
    if named is None:
        return None
    if (
        not isinstance(named, list)
        or not 1 <= len(named) <= BUYS_MAX
        or not all(isinstance(each, str) and 1 <= len(each) <= ID_CHARACTERS_MAX for each in named)
    ):
        message = f"1 to {BUYS_MAX} ids of media buys are expected"
        raise ProblemError(invalid(message, "media_buy_ids"))
    return tuple(dict.fromkeys(named))
