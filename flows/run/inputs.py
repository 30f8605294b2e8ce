"""The inputs of a continuous run: growing files or Kafka topics, and the event sources."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from attribution.registry import Registry
from connectors.dead_letters.limit import DeadLetterLimit
from connectors.files.folder import list_files
from connectors.files.intake import TailIntakes
from connectors.intake import Intakes
from connectors.preflight.input_log import InputIdentity
from connectors.registry.file import REGISTRY, load_registry
from connectors.registry.follow import Followed, KeptRegistry
from connectors.registry.growing import FILE, SourceFile
from connectors.registry.kept import update_registry
from connectors.registry.topic import RegistryTopic, known_registry
from connectors.state.directory import StateDir
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

    def registry(self, state: StateDir) -> Registry:
        """Return all versions of event sources, with those that hold now, and keep them.

        Raises StateError, LogError, ClusterError or SettingsError.
        """

    def follow(self, state: StateDir) -> Callable[[int], Followed] | None:
        """Return what lanes follow, by their numbers, if the registry is a topic."""

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
        self._follows = not (job.folder / REGISTRY).exists() and (job.folder / FILE).exists()

    def check(self) -> None:
        """Check that the files and the registry exist."""
        list_files(self._folder)
        if not self._follows:
            self._load()

    def registry(self, state: StateDir) -> Registry:
        """Read `event_sources.json`, or the file that grows in its place."""
        if self._follows:
            return known_registry(state, SourceFile(self._folder), clock())
        return update_registry(state, self._load(), clock())

    def _load(self) -> Registry:
        return load_registry(self._folder, allow_unregistered=self._job.allow_unregistered)

    def follow(self, state: StateDir) -> Callable[[int], Followed] | None:
        """Follow the file that grows; a fixed one counts as it is when the run starts."""
        if not self._follows:
            return None
        source = SourceFile(self._folder)
        return lambda lane: KeptRegistry(state) if lane else RegistryTopic(source, state)

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
        """Publish nothing."""
