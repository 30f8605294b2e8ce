"""How healthy an event source is: a status and a score.

The rules are those of docs/api-reads.md; they look at 24 hours.
"""

from typing import Any, Final

from connectors.api.reads.activity import Activity
from connectors.api.reads.asked import Row, plain, without_nulls
from connectors.api.reads.issues import (
    ENHANCED_MOST,
    EVENTS_FEW,
    HOURS_STEADY,
    ISSUES_MAX,
    REFUSED_FEW,
    REFUSED_MANY,
    enhanced,
    has_core_type,
    issues_of,
    share,
)

EVENTS_MANY: Final = 1_000
"""From it on, a source has a high volume."""

SCORE_MAX: Final = 100


def health(activity: Activity) -> Row:
    """Return the health of a source as AdCP writes it."""
    settled = activity.attributed + activity.unattributed
    told = {
        "status": status_of(activity),
        "detail": {
            "score": score_of(activity),
            "max_score": SCORE_MAX,
            "label": "Event source score",
        },
        "match_rate": activity.attributed / settled if settled else None,
        "last_event_at": activity.last_received_at,
        "evaluated_at": activity.at,
        "events_received_24h": activity.received,
        "issues": [
            {"severity": each.severity, "message": each.message}
            for each in issues_of(activity)[:ISSUES_MAX]
        ],
    }
    return {name: plain(each) for name, each in without_nulls(told).items()}


def status_of(activity: Activity) -> str:
    """Return insufficient, minimum, good or excellent."""
    refused = share(activity.rejected, activity.received)
    if activity.received == 0:
        return "insufficient"
    is_steady = activity.hours >= HOURS_STEADY and has_core_type(activity)
    if activity.received < EVENTS_FEW or refused > REFUSED_MANY or not is_steady:
        return "minimum"
    is_best = (
        activity.received >= EVENTS_MANY
        and refused <= REFUSED_FEW
        and enhanced(activity) >= ENHANCED_MOST
    )
    return "excellent" if is_best else "good"


def score_of(activity: Activity) -> int:
    """Return 0 to 100: a quarter each for volume, soundness, steadiness and identifiers."""
    if activity.received == 0:
        return 0
    refused = share(activity.rejected, activity.received)
    quarters = (
        min(1.0, activity.received / EVENTS_MANY),
        1 - min(1.0, refused / REFUSED_MANY),
        activity.hours / 24,
        enhanced(activity),
    )
    return round(sum(quarters) * SCORE_MAX / len(quarters))


def published_health(activity: Activity) -> dict[str, Any]:
    """Return the health of a source as the published list of event sources has it."""
    refused = share(activity.rejected, activity.received)
    status = "receiving"
    if activity.last_received_at is None:
        status = "not_seen"
    elif activity.received == 0 or refused > REFUSED_MANY:
        status = "needs_attention"
    return {
        "status": status,
        "lastEventAt": plain(activity.last_event_time),
        "lastEventReceivedAt": plain(activity.last_received_at),
        "lastEventType": activity.last_event_type,
        "lastError": activity.refusal,
        "lastErrorAt": plain(activity.refused_at),
    }
