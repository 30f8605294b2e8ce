"""The registry that a run judges by: a file as it is when the run starts, or a topic it follows."""

from collections.abc import Callable

from attribution.registry import Registry
from connectors import metrics
from connectors.registry.follow import Followed, KeptRegistry
from connectors.registry.kept import update_registry
from connectors.registry.reader import SourceTopic
from connectors.registry.topic import RegistryTopic, known_registry
from connectors.state.directory import StateDir
from flows.inputs import inputs_of
from flows.job import Run, clock
from flows.kafka.topics import cluster_of


def registry_of(job: Run, state: StateDir) -> Registry:
    """Give all versions of event sources, with those that hold now.

    Raises StateError, LogError or ClusterError.
    """
    if job.follows_registry:
        return known_registry(state, _topic(job), clock())
    return update_registry(state, inputs_of(job).registry(), clock())


def followed_registry(job: Run, state: StateDir) -> Callable[[int], Followed] | None:
    """Give what lanes follow, by their numbers, if the registry is a topic.

    One lane reads it, whichever process has that lane; else each would say for itself from when on
    a version holds.
    """
    if not job.follows_registry:
        return None
    return lambda lane: KeptRegistry(state) if lane else RegistryTopic(_topic(job), state)


def _topic(job: Run) -> SourceTopic:
    kafka = job.settings.settings.kafka
    return SourceTopic(cluster_of(kafka), kafka.topics.event_sources, metrics.kafka_error)
