"""The inputs of a continuous run: growing files or Kafka topics, and the event sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from attribution.registry import Registry
from connectors import metrics
from connectors.dead_letters.limit import DeadLetterLimit
from connectors.files.folder import list_files
from connectors.files.intake import TailIntakes
from connectors.intake import Intakes
from connectors.preflight.input_log import InputIdentity
from connectors.registry.file import load_registry
from connectors.registry.follow import Followed, KeptRegistry
from connectors.registry.kept import update_registry
from connectors.registry.reader import SourceTopic
from connectors.registry.topic import RegistryTopic, known_registry
from connectors.state.directory import StateDir
from flows.kafka.topics import cluster_of
from flows.run.guards import Sink
from flows.run.job import RunOptions, clock
from flows.run.kafka_inputs import KafkaInputs
from flows.settings.load import Loaded, SettingsError

LOG: Final = structlog.get_logger("tributary")

SERVERS: Final = "kafka.bootstrap_servers"


class Inputs(Protocol):
    """Where the raw streams of a run come from, and which sinks write back there."""

    def check(self) -> None:
        """Check that the input can be read, before any state is created.

        Raises LogError, ClusterError or SettingsError.
        """

    def registry(self) -> Registry:
        """Return the event sources as they are now; raises LogError or SettingsError."""

    def log(self) -> InputIdentity:
        """Return the identity of the input; a state is resumed only with the same one."""

    def noted(self) -> dict[str, Any]:
        """Return what the result records about the input; raises ClusterError."""

    def intakes(self, lanes: int) -> Intakes:
        """Return the intakes that the lanes read from."""

    def limit(self) -> DeadLetterLimit | None:
        """Return the limit of refused documents; None if dead letters are disabled."""

    def dead_letters(self, stopping: Callable[[], bool]) -> Sink | None:
        """Return the sink of refused documents; in an outage it retries until `stopping`."""

    def publish(self, stopping: Callable[[], bool]) -> Sink | None:
        """Return a second sink for attributed conversions, which retries likewise."""


def check_inputs(loaded: Loaded, folder: Path | None, sources: Path | None) -> None:
    """Check that exactly one input is named, folder or topics; raises SettingsError."""
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


def inputs_of(job: RunOptions) -> Inputs:
    """Return the inputs of a run: its folder, or without one the topics of its settings."""
    return KafkaInputs(job) if job.folder is None else FolderInputs(job)


class FolderInputs:
    """Files of a folder."""

    def __init__(self, job: RunOptions) -> None:
        """Use the folder of a run."""
        assert job.folder is not None
        self._job = job
        self._folder = job.folder

    def check(self) -> None:
        """Check that the files and the registry exist."""
        list_files(self._folder)
        self.registry()

    def registry(self) -> Registry:
        """Read `event_sources.json`."""
        return load_registry(self._folder, allow_unregistered=self._job.allow_unregistered)

    def log(self) -> InputIdentity:
        """Return the absolute path of the folder."""
        return {"folder": str(self._folder.resolve())}

    def noted(self) -> dict[str, Any]:
        """Return the folder."""
        return {**self.log()}

    def intakes(self, lanes: int) -> Intakes:
        """Return the intakes of the growing files."""
        return TailIntakes(self._folder, lanes, tell=LOG.warning)

    def limit(self) -> None:
        """Return no limit: there are no dead letters, as a refused line stays in its file."""

    def dead_letters(self, stopping: Callable[[], bool]) -> None:
        """Return no sink: there are no dead letters."""

    def publish(self, stopping: Callable[[], bool]) -> None:
        """Return no sink: nothing is published."""


def registry_of(job: RunOptions, state: StateDir) -> Registry:
    """Return all versions of event sources, including those valid now.

    Raises StateError, LogError or ClusterError.
    """
    if job.follows_registry:
        return known_registry(state, _topic(job), clock())
    return update_registry(state, inputs_of(job).registry(), clock())


def followed_registry(job: RunOptions, state: StateDir) -> Callable[[int], Followed] | None:
    """Return a function from a lane's number to its registry; None if no topic is followed.

    Lane 0, in whichever process it runs, reads the topic; the others read what it stores in the
    state. Otherwise each lane would decide for itself when a version becomes valid.
    """
    if not job.follows_registry:
        return None
    return lambda lane: KeptRegistry(state) if lane else RegistryTopic(_topic(job), state)


def _topic(job: RunOptions) -> SourceTopic:
    kafka = job.settings.settings.kafka
    return SourceTopic(cluster_of(kafka), kafka.topics.event_sources, metrics.kafka_error)
