"""What a continuous run over Kafka needs: topics to read, and sinks for what goes back there."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from attribution.registry import Registry
from connectors import metrics
from connectors.cluster import Cluster, describe, missing
from connectors.dead_letter_limit import DeadLetterLimit
from connectors.dead_letter_sink import DeadLetterSink
from connectors.kafka import KafkaIntakes
from connectors.publish import PublishSink
from connectors.topic_log import beginnings
from flows.crashing import Sink
from flows.job import Run, clock
from flows.kafka_settings import KafkaSettings
from flows.replay import load_sources
from flows.settings import DEFAULT, Loaded, SettingsError
from flows.topics import cluster_of

LANES: Final = "flow.lanes"
SERVERS: Final = "kafka.bootstrap_servers"


class KafkaInputs:
    """Topics of a cluster."""

    def __init__(self, job: Run) -> None:
        """Take the cluster of a run's settings; connects to nothing."""
        self._job = job
        self._kafka: KafkaSettings = job.settings.settings.kafka

    def check(self) -> None:
        """Look for the cluster, all topics that are read or written, and the registry."""
        names = [*self._streams.values()]
        names += [self._kafka.topics.event_sources] if self._job.follows_registry else []
        names += [self._kafka.topics.dead_letters] if self._kafka.dead_letters.enabled else []
        names += [self._kafka.topics.conversions] if self._kafka.publish else []
        found = describe(self._cluster, names)
        for name in names:
            if name not in found:
                raise missing(name)
        if not self._job.follows_registry:
            self.registry()

    def registry(self) -> Registry:
        """Read the file of event sources; without one, all are unknown and let in."""
        sources, let_in = self._job.sources, self._job.allow_unregistered
        if sources is None:
            return Registry.from_documents([], allow_unregistered=let_in)
        return load_sources(sources, allow_unregistered=let_in)

    def noted(self) -> dict[str, Any]:
        """Give the topic of each stream, and the first offsets there are; never how to connect."""
        return {
            "topics": self._streams,
            "beginnings": beginnings(self._cluster, self._streams.values()),
        }

    def intakes(self, lanes: int) -> KafkaIntakes:
        """Give the partitions of the topics."""
        return KafkaIntakes(
            self._cluster,
            self._streams,
            lanes,
            group=self._kafka.group,
            accept_gap=self._kafka.accept_gap,
            on_error=metrics.kafka_error,
        )

    def limit(self) -> DeadLetterLimit | None:
        """Give the limit of the settings."""
        told = self._kafka.dead_letters
        if not told.enabled:
            return None
        return DeadLetterLimit(told.window, told.max_ratio, told.max_consecutive)

    def dead_letters(self) -> Sink | None:
        """Give the topic of dead letters."""
        if not self._kafka.dead_letters.enabled:
            return None
        return DeadLetterSink(self._cluster, self._kafka.topics.dead_letters, clock)

    def publish(self) -> Sink | None:
        """Give the topic of conversions."""
        if not self._kafka.publish:
            return None
        return PublishSink(self._cluster, self._kafka.topics.conversions)

    @property
    def _cluster(self) -> Cluster:
        return cluster_of(self._kafka)

    @property
    def _streams(self) -> dict[str, str]:
        topics = self._kafka.topics
        return {"events": topics.events, "impressions": topics.impressions}


def with_lanes(loaded: Loaded, workers: int) -> Loaded:
    """Give each worker one lane, unless somebody set their number.

    A lane pays for every read, however many partitions it reads; more of them than workers gain
    nothing.
    """
    if loaded.origins[LANES] != DEFAULT:
        return loaded
    flow = loaded.settings.flow.model_copy(update={"lanes": workers})
    return replace(loaded, settings=loaded.settings.model_copy(update={"flow": flow}))


def check_inputs(loaded: Loaded, folder: Path | None, sources: Path | None) -> None:
    """See that just one place is named to read from; raises SettingsError."""
    servers = loaded.settings.kafka.bootstrap_servers
    if folder is None and not servers:
        msg = "nothing to read: name a folder with --data, or brokers in kafka.bootstrap_servers"
        raise SettingsError([msg])
    if folder is not None and servers:
        origin = loaded.origins[SERVERS]
        msg = f"--data {folder} and kafka.bootstrap_servers ({origin}) are both set; leave one out"
        raise SettingsError([msg])
    if folder is not None and sources is not None:
        msg = f"--sources is for Kafka; event sources of {folder} are in its event_sources.json"
        raise SettingsError([msg])
