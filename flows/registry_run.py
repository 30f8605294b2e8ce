"""The registry that a run judges by: a file as it is when the run starts, or a topic it follows."""

from collections.abc import Callable
from functools import partial

from attribution.registry import Registry
from connectors import metrics
from connectors.registry_topic import RegistryTopic, known_registry
from connectors.source_reader import SourceTopic
from connectors.source_versions import Known, load_versions, save_versions, update_registry
from connectors.state import StateDir
from flows.inputs import inputs_of
from flows.job import Run, clock
from flows.topics import cluster_of


def registry_of(job: Run, state: StateDir) -> Registry:
    """Give all versions of event sources, with those that hold now.

    Raises StateError, LogError or ClusterError.
    """
    if job.follows_registry:
        return known_registry(state, _topic(job), clock())
    return update_registry(state, inputs_of(job).registry(), clock())


def followed_registry(job: Run, state: StateDir, *, is_first: bool) -> RegistryTopic | None:
    """Give the registry that lanes follow, if it is a topic; one process keeps what it says.

    Raises StateError or ClusterError.
    """
    if not job.follows_registry:
        return None
    known = load_versions(state) or Known({}, {})
    keep: Callable[[Known], None] = partial(save_versions, state) if is_first else _leave
    return RegistryTopic(_topic(job), known, keep)


def _leave(_known: Known) -> None:
    """Leave it to the first process."""


def _topic(job: Run) -> SourceTopic:
    kafka = job.settings.settings.kafka
    return SourceTopic(cluster_of(kafka), kafka.topics.event_sources, metrics.kafka_error)
