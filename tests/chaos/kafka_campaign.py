"""A chaos campaign whose log is in topics, and whose results go back there too."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from confluent_kafka import Message

from attribution.registry import Registry
from connectors.state.directory import REGISTRY
from tests.chaos.aftermath import published_differences, set_aside_differences
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.ledger import opened
from tests.chaos.register import Register
from tests.support.brokers.archive import Archive
from tests.support.brokers.harness import FollowingJob, KafkaJob, Topics, TopicWriter
from tests.support.brokers.topics import everything

CHANGE_EVERY: Final = 6
"""Kills between two changes of the registry, which take effect some seconds later."""


class KafkaCampaign(Campaign):
    """One job over topics of its own; its event sources are in a file, or in a topic too."""

    job: KafkaJob

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        servers: str,
        tell: Callable[[str], None],
        *,
        follows_registry: bool,
    ) -> None:
        """Make topics, and take a folder that is empty."""
        self._follows_registry = follows_registry
        self.topics = Topics(servers)
        self.topics.create()
        super().__init__(folder, plan, tell)
        self._archive = Archive(self.topics)
        self._change_at = 1
        sources = json.loads((self.job.data / "event_sources.json").read_bytes())
        self._register = Register(self.topics, sources) if follows_registry else None

    def new_job(self, folder: Path) -> KafkaJob:
        """Return a job that reads the topics."""
        return (FollowingJob if self._follows_registry else KafkaJob)(folder, self.topics)

    def new_writer(self, plan: Plan) -> TopicWriter:
        """Return one who writes to the topics."""
        rate = plan.records_per_second
        return TopicWriter(self.job.data, self.topics, seed=plan.seed, records_per_second=rate)

    def log(self) -> Path:
        """Lay out the copy of the topics."""
        self._archive.fetch()
        return self._archive.dump(self.job.data)

    def registry(self) -> Registry | None:
        """Return what was said in the topic."""
        return None if self._register is None else self._register.registry()

    def to_verify(self) -> list[str]:
        """Lead to the topics."""
        return self.topics.settings

    def more_differences(self) -> list[str]:
        """Hold what was published, and what was set aside, against the result."""
        published, letters = self._left("conversions"), self._left("dead_letters")
        with opened(self.job.database) as connection:
            differences = published_differences(connection, self._archive, published)
            differences += set_aside_differences(connection, self._archive, letters)
            if self._register is not None:
                differences += self._register.differences(connection)
        return differences

    def counts(self) -> dict[str, int]:
        """Count what was read, and what came back."""
        counts = {
            "records": self._archive.records(),
            "published": len(self._left("conversions")),
            "dead_letters": len(self._left("dead_letters")),
        }
        if self._register is not None:
            with opened(self.job.database) as connection:
                passing = self._register.conversions(connection)
            counts["registry_changes"] = len(self._register.changed_at)
            counts["conversions_of_passing_source"] = passing
        return counts

    def _left(self, name: str) -> list[Message]:
        return everything(self.topics.servers, self.topics[name])

    def _start_and_kill(self, number: int) -> str:
        if self._register is not None and number >= self._change_at and self._is_known():
            self._register.change()
            self._change_at = number + CHANGE_EVERY
        return super()._start_and_kill(number)

    def _is_known(self) -> bool:
        """Return whether a start has read the registry: what it found then holds for all time."""
        return self.job.state.joinpath(REGISTRY).exists()
