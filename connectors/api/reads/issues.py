"""What to mend at an event source, and the bounds from which on it is an issue."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connectors.api.reads.activity import HOURS, Activity
from connectors.api.reads.asked import plain
from connectors.wording import counted

EVENTS_FEW: Final = 100
"""Below it, a source has a low volume."""

REFUSED_MANY: Final = 0.10
"""Share of refused events above which a source has a high rate of errors."""

REFUSED_FEW: Final = 0.01

HOURS_STEADY: Final = 12
"""Of 24, in which events arrived."""

ENHANCED_MOST: Final = 0.50
"""Share of events with a hashed email or phone, or a universal id."""

SHARE_NOTED: Final = 0.01
NO_IDENTIFIER_NOTED: Final = 0.20
"""Shares of events from which on something is an issue."""

ISSUES_MAX: Final = 5

CORE_TYPES: Final = frozenset(
    {
        *("purchase", "lead", "subscribe", "subscription", "complete_registration"),
        *("app_install", "start_trial", "submit_application", "deposit", "custom"),
    }
)
"""Types that ads are bought for; a steady source sends at least one of them."""

NOT_ENHANCED: Final = frozenset({"click", "ip_ua", "other_uid"})
"""Kinds of identifiers that say nothing of a person beyond one device or one click."""

_ORDER: Final = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Issue:
    """Something to mend, with the advice how."""

    severity: str
    message: str


def issues_of(activity: Activity) -> list[Issue]:
    """Return what to mend, the gravest first."""
    return sorted(_issues(activity), key=lambda each: _ORDER.index(each.severity))


def _issues(activity: Activity) -> Iterator[Issue]:
    if activity.received == 0:
        since = activity.last_received_at
        last = f", the last one at {plain(since)}" if since else " so far"
        yield Issue("error", f"no event in 24 hours{last}: see whether the sender runs")
        return
    yield from _refusals(activity)
    yield from _weak_identifiers(activity)
    if share(activity.too_old, activity.accepted) >= SHARE_NOTED:
        told = f"{counted(activity.too_old, 'event')} arrived too long after they had happened"
        yield Issue("warning", f"{told}, and earn nothing: send them sooner")
    if share(activity.duplicate_changed, activity.received) >= SHARE_NOTED:
        told = f"{counted(activity.duplicate_changed, 'event')} repeated an event_id with"
        yield Issue("warning", f"{told} other content, and are lost: use an id for one event")
    yield from _volume(activity)
    for warning, count in sorted(activity.warnings.items(), key=lambda item: (-item[1], item[0])):
        words = warning.replace("_", " ")
        yield Issue("info", f"{counted(count, 'event')} with the warning {warning} ({words})")


def _refusals(activity: Activity) -> Iterator[Issue]:
    refused = share(activity.rejected, activity.received)
    if refused > REFUSED_FEW:
        told = f"{activity.rejected:,} of {counted(activity.received, 'event')} were refused"
        most = f", most as {activity.worst_code}" if activity.worst_code else ""
        severity = "error" if refused > REFUSED_MANY else "warning"
        yield Issue(severity, f"{told}{most}: partial_failures of log-event says what to mend")


def _weak_identifiers(activity: Activity) -> Iterator[Issue]:
    without = share(activity.no_identifier, activity.accepted)
    if without > NO_IDENTIFIER_NOTED:
        told = f"{without:.0%} of the events carry nothing that can match"
        yield Issue("warning", f"{told}: send click_id, hashed_email, hashed_phone or uids")
    elif activity.accepted and enhanced(activity) < ENHANCED_MOST:
        told = f"only {enhanced(activity):.0%} of the events carry a hashed email or phone, or"
        yield Issue("info", f"{told} a universal id: they match across devices")


def _volume(activity: Activity) -> Iterator[Issue]:
    if activity.received < EVENTS_FEW:
        yield Issue("info", f"fewer than {EVENTS_FEW} events arrived in 24 hours")
    elif activity.hours < HOURS_STEADY:
        yield Issue("info", f"events arrived in {activity.hours} of {HOURS} hours only")
    if not has_core_type(activity):
        yield Issue("warning", "no purchase, lead or other event that ads are bought for arrived")


def enhanced(activity: Activity) -> float:
    """Return the share of events with the commonest identifier of a person."""
    carried = [count for kind, count in activity.carries.items() if kind not in NOT_ENHANCED]
    return share(max(carried, default=0), activity.accepted)


def has_core_type(activity: Activity) -> bool:
    """Return whether an event arrived that ads are bought for."""
    return bool(activity.event_types & CORE_TYPES)


def share(part: int, whole: int) -> float:
    """Return a part of a whole; 0 of nothing."""
    return part / whole if whole else 0.0
