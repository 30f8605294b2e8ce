"""What a continuous run reads, told apart in one place: a folder of files that grow, or topics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from attribution.registry import Registry
from connectors.dead_letters.limit import DeadLetterLimit
from connectors.files.folder import list_files
from connectors.files.intake import Tails
from connectors.intake import Intakes
from connectors.preflight.input_log import Log
from connectors.registry.file import load_registry
from flows.edges import Sink
from flows.job import Run
from flows.kafka_run import KafkaInputs
from flows.settings.load import Loaded, SettingsError

LOG: Final = structlog.get_logger("tributary")

SERVERS: Final = "kafka.bootstrap_servers"


class Inputs(Protocol):
    """Where the raw streams of a run come from, and what goes back there."""

    def check(self) -> None:
        """Look whether it can be read, before any state is made.

        Raises LogError, ClusterError or SettingsError.
        """

    def registry(self) -> Registry:
        """Give the event sources as they are now; raises LogError or SettingsError."""

    def log(self) -> Log:
        """Give what a state goes on with, and with nothing else."""

    def noted(self) -> dict[str, Any]:
        """Give what the result remembers of it; raises ClusterError."""

    def intakes(self, lanes: int) -> Intakes:
        """Give what lanes read."""

    def limit(self) -> DeadLetterLimit | None:
        """Tell how much may be refused, where refused documents are set aside."""

    def dead_letters(self, stopping: Callable[[], bool]) -> Sink | None:
        """Give what takes refused documents, and waits to be rid of them until `stopping`."""

    def publish(self, stopping: Callable[[], bool]) -> Sink | None:
        """Give what takes attributed conversions, beside the result; waits likewise."""


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


def inputs_of(job: Run) -> Inputs:
    """Give what a run reads: its folder, or without one the topics of its settings."""
    return KafkaInputs(job) if job.folder is None else FolderInputs(job)


class FolderInputs:
    """Files of a folder."""

    def __init__(self, job: Run) -> None:
        """Take the folder of a run."""
        assert job.folder is not None
        self._job = job
        self._folder = job.folder

    def check(self) -> None:
        """Look for the files and the registry."""
        list_files(self._folder)
        self.registry()

    def registry(self) -> Registry:
        """Read `event_sources.json`."""
        return load_registry(self._folder, allow_unregistered=self._job.allow_unregistered)

    def log(self) -> Log:
        """Give the folder by its full name."""
        return {"folder": str(self._folder.resolve())}

    def noted(self) -> dict[str, Any]:
        """Give the folder."""
        return {**self.log()}

    def intakes(self, lanes: int) -> Intakes:
        """Give the files as they grow."""
        return Tails(self._folder, lanes, tell=LOG.warning)

    def limit(self) -> None:
        """Set nothing aside: a refused line stays in its file."""

    def dead_letters(self, stopping: Callable[[], bool]) -> None:
        """Set nothing aside."""

    def publish(self, stopping: Callable[[], bool]) -> None:
        """Publish nothing."""
