"""The targets of live records: topics of a cluster, or growing files of a folder."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol
from zlib import crc32

from connectors.kafka.cluster import Cluster
from connectors.kafka.metadata import require
from connectors.kafka.producer import Outbox, Outgoing
from connectors.registry.reader import REGISTRY_DELAY
from flows.generate.live import LiveRecord

STREAMS: Final = ("events", "impressions")


class Outlet(Protocol):
    """A target of live records."""

    def register(self, sources: Sequence[Mapping[str, object]]) -> None:
        """Publish the event sources."""

    def send(self, records: Sequence[LiveRecord]) -> None:
        """Send records in order; blocks while too many are in flight."""

    def close(self) -> None:
        """Wait until all records are stored."""


class Topics:
    """Topics of a cluster, by stream; `event_sources` is the registry topic."""

    def __init__(self, cluster: Cluster, topics: Mapping[str, str]) -> None:
        """Connect. Raises ClusterError if a topic is missing or no broker answers."""
        for topic in topics.values():
            require(cluster, topic)
        self._topics = topics
        self._outbox = Outbox(cluster)

    def register(self, sources: Sequence[Mapping[str, object]]) -> None:
        """Send the event sources, by `advertiser/source`, and wait until they are in effect."""
        topic = self._topics["event_sources"]
        for source in sources:
            key = f"{source['advertiser_id']}/{source['event_source_id']}"
            self._outbox.send([Outgoing(topic, json.dumps(source).encode(), key.encode())])
        self._outbox.flush()
        time.sleep(REGISTRY_DELAY / 1e6)

    def send(self, records: Sequence[LiveRecord]) -> None:
        """Send records; raises PublishError if Kafka does not accept them."""
        self._outbox.send(
            [
                Outgoing(self._topics[each.stream], _bytes(each.text), each.key.encode())
                for each in records
            ]
        )

    def close(self) -> None:
        """Wait until all records are acknowledged; raises PublishError if any is not."""
        self._outbox.flush()


class Folder:
    """Growing files of a folder; all records of a key are in one file."""

    def __init__(self, folder: Path, files: int) -> None:
        """Open `files` files per stream to append to; raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        with ExitStack() as stack:
            self._files = {
                (stream, at): stack.enter_context((folder / f"{stream}-{at:02d}.ndjson").open("ab"))
                for stream in STREAMS
                for at in range(files)
            }
            self._open = stack.pop_all()
        self._count = files

    def register(self, sources: Sequence[Mapping[str, object]]) -> None:
        """Write event_sources.json unless it exists."""
        path = self._folder / "event_sources.json"
        if not path.exists():
            path.write_text(json.dumps(sources, indent=1) + "\n", encoding="utf-8", newline="\n")

    def send(self, records: Sequence[LiveRecord]) -> None:
        """Append whole lines."""
        texts: dict[tuple[str, int], list[str]] = {}
        for each in records:
            home = each.stream, crc32(each.key.encode()) % self._count
            texts.setdefault(home, []).append(each.text)
        for home, lines in texts.items():
            self._files[home].write(_bytes("\n".join([*lines, ""])))
            self._files[home].flush()

    def close(self) -> None:
        """Close the files."""
        self._open.close()


def _bytes(text: str) -> bytes:
    """Encode a line; a faulty one may contain a byte that is invalid UTF-8."""
    return text.encode("utf-8", "surrogateescape")
