"""Metrics of the API; they never hold an identifier, a key or a payload."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter

REGISTRY: Final = CollectorRegistry()

# Refusals rise: a sender has changed; 503 rises: the disk is full or slow.
CALLS: Final = Counter(
    "tributary_api_calls", "Calls by route and status", ["route", "status"], registry=REGISTRY
)
