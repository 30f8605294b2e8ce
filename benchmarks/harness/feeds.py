"""The input of a drive: growing files, or topics of a broker."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from flows.generate.spec import GenerateSpec
from flows.generate.write import registry_documents
from tests.support.brokers.topics import everything

PARTITIONS: Final = 8

Place = tuple[str, int]
"""Partition and offset of a document."""


class Feed(Protocol):
    """Where the generator sends records and the job reads them."""

    def made(self) -> list[str]:
        """Return the command that creates the files or topics."""

    def sent(self) -> list[str]:
        """Return the generator's options."""

    def read(self) -> list[str]:
        """Return the job's options."""

    def appended(self) -> dict[Place, float]:
        """Return when each document of events was appended, in seconds."""


@dataclass(frozen=True, slots=True)
class Files:
    """Files that grow. A document counts as appended from its `received_at` on."""

    folder: Path

    def made(self) -> list[str]:
        """Return a command that sends a few records, so that there are files."""
        return ["generate", "live", *self.sent(), "--rate", "20", "--seconds", "1"]

    def sent(self) -> list[str]:
        """Return the option that names the folder."""
        return [str(self.folder / "log")]

    def read(self) -> list[str]:
        """Return the option that names the folder."""
        return ["--data", str(self.folder / "log")]

    def appended(self) -> dict[Place, float]:
        """Return the `received_at` of the documents; those without one are left out."""
        found = {}
        for path in (self.folder / "log").glob("events*.ndjson"):
            for offset, line in enumerate(path.read_bytes().split(b"\n")):
                if stamp := _RECEIVED_AT.search(line):
                    at = datetime.fromisoformat(stamp[1].decode()).timestamp()
                    found[path.name, offset] = at
        return found


_RECEIVED_AT: Final = re.compile(rb'"received_at":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Topics:
    """New topics. A document counts as appended when it was passed to the producer."""

    folder: Path
    servers: str

    def made(self) -> list[str]:
        """Return the command that creates the topics; write the file of event sources."""
        documents = registry_documents(GenerateSpec())
        self._sources.write_text(json.dumps(documents), encoding="utf-8")
        return ["topics", "create", *self._settings()]

    def sent(self) -> list[str]:
        """Return the options that name the topics."""
        return ["kafka", *self._settings()]

    def read(self) -> list[str]:
        """Return the options that name the topics."""
        return ["--sources", str(self._sources), *self._settings()]

    def appended(self) -> dict[Place, float]:
        """Return the Kafka timestamp of each message."""
        topic = self._topic("events")
        return {
            (f"{topic}-{each.partition()}", each.offset() or 0): each.timestamp()[1] / 1000
            for each in everything(self.servers, topic, range(PARTITIONS))
        }

    @property
    def _sources(self) -> Path:
        return self.folder / "event_sources.json"

    def _topic(self, stream: str) -> str:
        return f"{self.folder.name}.{stream}"

    def _settings(self) -> list[str]:
        streams = ("events", "impressions", "event_sources", "conversions", "dead_letters")
        settings = [
            f"kafka.bootstrap_servers={self.servers}",
            f"kafka.partitions={PARTITIONS}",
            "kafka.replication=1",
            *(f"kafka.topics.{stream}={self._topic(stream)}" for stream in streams),
        ]
        return [word for setting in settings for word in ("--set", setting)]
