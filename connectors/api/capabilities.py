"""What this server tells AdCP clients about itself: versions, idempotency, what it can match."""

from typing import Any, Final

from attribution.contract.envelope import SUPPORTED_MAJOR
from attribution.policy import Policy
from attribution.vocabulary import (
    ACTION_SOURCES,
    EVENT_TYPES,
    NONSTANDARD_EVENT_TYPES,
    UID_KINDS,
)
from connectors.api.claims import REPLAY_SECONDS
from connectors.release import release

VERSIONS: Final = ("3.0", "3.1", "3.2")
"""Releases of AdCP whose requests are accepted."""

HASHES: Final = ("hashed_email", "hashed_phone")

_UNITS: Final = {"days": 86_400_000_000, "hours": 3_600_000_000, "minutes": 60_000_000}
_SECOND: Final = 1_000_000


def capabilities(policy: Policy, *, has_delivery: bool = False) -> dict[str, Any]:
    """Return the answer of get_adcp_capabilities, for the rules that a job follows too.

    With a result to read, conversions are reported by creative.
    """
    return {
        "adcp": {
            "major_versions": [SUPPORTED_MAJOR],
            "supported_versions": list(VERSIONS),
            "build_version": release(),
            "idempotency": {"supported": True, "replay_ttl_seconds": REPLAY_SECONDS},
        },
        "supported_protocols": ["media_buy"],
        "account": {"require_operator_auth": True, "supported_billing": ["operator"]},
        "media_buy": {
            "conversion_tracking": _conversion_tracking(policy, has_creatives=has_delivery)
        },
    }


def _conversion_tracking(policy: Policy, *, has_creatives: bool) -> dict[str, Any]:
    keys = policy.match_keys
    tracking: dict[str, Any] = {
        "multi_source_event_dedup": False,
        "per_creative_attribution": has_creatives,
        "supported_event_types": [
            each for each in EVENT_TYPES if each not in NONSTANDARD_EVENT_TYPES
        ],
        "supported_action_sources": list(ACTION_SOURCES),
        "attribution_windows": _windows(policy),
    }
    matched = {
        "supported_uid_types": [each for each in keys if each in UID_KINDS],
        "supported_hashed_identifiers": [each for each in keys if each in HASHES],
    }
    # An empty list would be refused; left out, these say that nothing is told.
    return tracking | {name: kinds for name, kinds in matched.items() if kinds}


def _windows(policy: Policy) -> list[dict[str, Any]]:
    general = {
        "post_click": [duration(policy.post_click)],
        "post_view": [duration(policy.post_view)],
    }
    special = [
        {
            "event_type": event_type,
            "post_click": [duration(windows.post_click or policy.post_click)],
            "post_view": [duration(windows.post_view or policy.post_view)],
        }
        for event_type, windows in sorted(policy.windows.items())
    ]
    return [general, *special]


def duration(microseconds: int) -> dict[str, Any]:
    """Return a duration in the largest unit that divides it."""
    for unit, size in _UNITS.items():
        if microseconds and microseconds % size == 0:
            return {"interval": microseconds // size, "unit": unit}
    return {"interval": max(1, microseconds // _SECOND), "unit": "seconds"}
