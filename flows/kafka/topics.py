"""The topics that Tributary reads and writes, as planned by the settings."""

from typing import Final

from attribution.contract.document import MAX_DOCUMENT_BYTES
from attribution.durations import parse_duration
from attribution.policy import Policy
from attribution.vocabulary import EVENT_TYPES
from connectors.kafka.cluster import Cluster, ClusterError
from connectors.kafka.topics import Topic, check_topics, create_topics
from flows.settings.kafka import KafkaSettings
from flows.settings.model import Settings

RECORD_OVERHEAD: Final = 1024 * 1024
"""The bytes that Kafka may add to a document: key, headers, and batch overhead."""

RETENTION_RESERVE: Final = parse_duration("7d")
"""Retention of raw records beyond what attribution needs, so that there is a week to notice that a
result has to be recomputed."""

OUTPUT_RETENTION: Final = parse_duration("30d")
"""Retention of conversions and dead letters."""


def cluster_of(kafka: KafkaSettings) -> Cluster:
    """Return the cluster that the settings name."""
    if not kafka.bootstrap_servers:
        msg = "kafka.bootstrap_servers is not set; expected one broker or more, like kafka-1:9092"
        raise ClusterError(msg)
    return Cluster(kafka.bootstrap_servers, kafka.options)


def planned_topics(settings: Settings) -> list[Topic]:
    """Return every topic with its configuration."""
    names, partitions = settings.kafka.topics, settings.kafka.partitions
    # Kafka's default limit is 1 MB; an envelope, or a conversion of many credits, may be larger.
    large = {"max.message.bytes": str(MAX_DOCUMENT_BYTES + RECORD_OVERHEAD)}
    raw = _kept_for(raw_retention(settings.policy))
    output = _kept_for(OUTPUT_RETENTION)
    return [
        Topic(names.events, partitions, raw | large),
        Topic(names.impressions, partitions, raw),
        Topic(names.measurements, partitions, raw | large),
        Topic(names.event_sources, 1, {"cleanup.policy": "compact"}),
        Topic(names.conversions, partitions, output | large),
        Topic(names.dead_letters, partitions, output | large),
    ]


def raw_retention(policy: Policy) -> int:
    """Return how long a raw record may still earn credit, plus a reserve, in microseconds."""
    clicks = [policy.post_click, *map(policy.post_click_of, EVENT_TYPES)]
    views = [policy.post_view, *map(policy.post_view_of, EVENT_TYPES)]
    longest = max(*clicks, *views, policy.dedup_window)
    return longest + policy.max_event_delay + policy.settle_delay + RETENTION_RESERVE


def create(settings: Settings) -> list[str]:
    """Create missing topics and return their names. Raises ClusterError."""
    cluster = cluster_of(settings.kafka)
    planned = planned_topics(settings)
    return create_topics(cluster, planned, replication=settings.kafka.replication)


def check(settings: Settings) -> list[str]:
    """Return one line per topic that is missing or differs from the plan. Raises ClusterError."""
    return check_topics(cluster_of(settings.kafka), planned_topics(settings))


def _kept_for(microseconds: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(microseconds // 1000)}
