"""The inputs of a continuous run over Kafka: topics to read, and sinks that write to topics."""

from collections.abc import Callable
from typing import Any, Final

from attribution.registry import Registry
from attribution.vocabulary import MEASUREMENTS, RAW_STREAMS, STREAMS
from connectors import metrics
from connectors.dead_letters.limit import DeadLetterLimit
from connectors.dead_letters.topic import DeadLetterSink
from connectors.kafka.cluster import Cluster
from connectors.kafka.conversions import PublishSink
from connectors.kafka.intake import KafkaIntakes
from connectors.kafka.metadata import deleted, describe, missing
from connectors.kafka.offsets import beginnings
from connectors.kafka.producer import Patience
from connectors.positions import topic_and_number
from connectors.preflight.input_log import InputIdentity
from connectors.preflight.resume import Resumable
from connectors.registry.file import load_sources
from connectors.registry.follow import Followed, KeptRegistry
from connectors.registry.kept import update_registry
from connectors.registry.reader import SourceTopic
from connectors.registry.topic import RegistryTopic, known_registry
from connectors.state.directory import StateDir
from flows.kafka.topics import cluster_of
from flows.run.guards import Sink
from flows.run.job import RunOptions, clock
from flows.settings.kafka import KafkaSettings

OUTAGE_SECONDS: Final = 5.0
"""How long an ending run waits while Kafka accepts nothing: it should end within seconds."""


class KafkaInputs:
    """Topics of a cluster."""

    def __init__(self, job: RunOptions) -> None:
        """Use the cluster of a run's settings; does not connect yet."""
        self._job = job
        self._kafka: KafkaSettings = job.settings.settings.kafka
        # Sources come from a topic too, unless a file is named or all are let in.
        self._follows = job.sources is None and not job.allow_unregistered

    def check(self) -> None:
        """Check the cluster, all topics that are read or written, and the registry."""
        names = [*self._streams.values()]
        names += [self._kafka.topics.event_sources] if self._follows else []
        names += [self._kafka.topics.dead_letters] if self._kafka.dead_letters.enabled else []
        names += [self._kafka.topics.conversions] if self._kafka.publish else []
        found = describe(self._cluster, names)
        may_miss = {self._streams[MEASUREMENTS]} - self._topics_begun()
        for name in names:
            if name not in found and name not in may_miss:
                raise deleted(name) if name in self._topics_begun() else missing(name)
        if not self._follows:
            self._load()

    def registry(self, state: StateDir) -> Registry:
        """Read the topic of event sources, or their file."""
        if self._follows:
            return known_registry(state, self._source_topic, clock())
        return update_registry(state, self._load(), clock())

    def follow(self, state: StateDir) -> Callable[[int], Followed] | None:
        """Follow the topic: lane 0 reads it and keeps what it says, the others read that.

        Otherwise each lane would decide for itself from when on a version holds.
        """
        if not self._follows:
            return None
        return lambda lane: (
            KeptRegistry(state) if lane else RegistryTopic(self._source_topic, state)
        )

    def _load(self) -> Registry:
        """Read the file of event sources; without one, all are unknown and let in."""
        sources, let_in = self._job.sources, self._job.allow_unregistered
        if sources is None:
            return Registry.from_documents([], allow_unregistered=let_in)
        return load_sources(sources, allow_unregistered=let_in)

    def log(self) -> InputIdentity:
        """Return the topics of what is attributed, without connection options.

        That of measurements may be made, or named otherwise, before it is first read.
        """
        return {"topics": {stream: self._streams[stream] for stream in STREAMS}}

    def noted(self) -> dict[str, Any]:
        """Return the topic of each stream, and the earliest offsets of partitions not yet read."""
        begun = self._begun()
        first = beginnings(self._cluster, self._streams.values())
        new = {name: offset for name, offset in first.items() if name not in begun}
        return {"topics": self._streams, "beginnings": new}

    def _begun(self) -> set[str]:
        """Return the partitions that the state has read from."""
        return set(Resumable.read(StateDir(self._job.state).recovery).partitions())

    def _topics_begun(self) -> set[str]:
        return {topic_and_number(name)[0] for name in self._begun()}

    def intakes(self, lanes: int) -> KafkaIntakes:
        """Return the intakes of the partitions."""
        return KafkaIntakes(
            self._cluster,
            self._streams,
            lanes,
            group=self._kafka.group,
            accept_gap=self._kafka.accept_gap,
            on_error=metrics.kafka_error,
        )

    def limit(self) -> DeadLetterLimit | None:
        """Return the limit set in the settings."""
        told = self._kafka.dead_letters
        if not told.enabled:
            return None
        return DeadLetterLimit(told.window, told.max_ratio, told.max_consecutive)

    def dead_letters(self, stopping: Callable[[], bool]) -> Sink | None:
        """Return a sink to the topic of dead letters, if enabled."""
        if not self._kafka.dead_letters.enabled:
            return None
        topic, waits = self._kafka.topics.dead_letters, self._waits(stopping)
        return DeadLetterSink(self._cluster, topic, clock, waits)

    def publish(self, stopping: Callable[[], bool]) -> Sink | None:
        """Return a sink to the topic of conversions, if enabled."""
        if not self._kafka.publish:
            return None
        topic, waits = self._kafka.topics.conversions, self._waits(stopping)
        return PublishSink(self._cluster, topic, waits)

    def _waits(self, stopping: Callable[[], bool]) -> Patience:
        return until_asked(stopping, StateDir(self._job.state).note_waiting)

    @property
    def _cluster(self) -> Cluster:
        return cluster_of(self._kafka)

    @property
    def _source_topic(self) -> SourceTopic:
        return SourceTopic(self._cluster, self._kafka.topics.event_sources, metrics.kafka_error)

    @property
    def _streams(self) -> dict[str, str]:
        return {stream: getattr(self._kafka.topics, stream) for stream in RAW_STREAMS}


def until_asked(stopping: Callable[[], bool], note_waiting: Callable[[], None]) -> Patience:
    """Retry through any outage, unless the run is to end: the next start sends what is left.

    No epoch ends during an outage, so `note_waiting` keeps the run from counting as stuck.
    """

    def waits(waited: float) -> bool:
        note_waiting()
        return waited < OUTAGE_SECONDS or not stopping()

    return waits
