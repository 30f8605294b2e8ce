"""Event sources in the registry topic, for an API that serves in front of Kafka.

A thread follows the topic, as the job does; a change is a record per source under its key.
"""

from collections.abc import Mapping, Sequence
from threading import Event, Thread
from time import time_ns
from typing import Any, Final

from attribution.contract.document import write_document
from attribution.registry import Registry
from connectors import metrics
from connectors.errors import OperatorError
from connectors.kafka.cluster import ANSWER_SECONDS_MAX, ClusterError
from connectors.kafka.producer import Outbox, Outgoing
from connectors.registry.kept import Versions
from connectors.registry.messages import add_message
from connectors.registry.reader import SourceTopic

POLL_SECONDS: Final = 0.2


class TopicSources:
    """The registry topic, read whole at the start and followed from then on."""

    def __init__(self, source: SourceTopic) -> None:
        """Read the topic to its end; raises ClusterError."""
        self._source = source
        self._outbox = Outbox(source.cluster, waits=lambda waited: waited < ANSWER_SECONDS_MAX)
        self._versions: Versions = {}
        self._changes = 0
        self._reader = source.reader(self._begin)
        self._is_read, self._is_closing = Event(), Event()
        self._reader.ask()
        self._thread = Thread(target=self._follow, name="event sources", daemon=True)
        self._thread.start()
        if not self._is_read.wait(ANSWER_SECONDS_MAX):
            msg = f"topic {source.topic} could not be read within {ANSWER_SECONDS_MAX} s"
            raise ClusterError(msg)

    @property
    def delay(self) -> int:
        """From a change to its effect (us)."""
        return self._source.delay

    def append(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Send changes; return (us) when all in-sync replicas have them. Raises OSError."""
        try:
            self._outbox.send([_record(self._source.topic, each) for each in documents])
            self._outbox.flush()
        except OperatorError as error:
            raise OSError(str(error)) from error
        return time_ns() // 1_000

    def length(self) -> int:
        """Return how many changes were read."""
        return self._changes

    def registry(self) -> Registry:
        """Return all versions that the changes make, each in effect a delay after its change."""
        return Registry(versions=dict(self._versions))

    def close(self) -> None:
        """End the thread."""
        self._is_closing.set()
        self._thread.join()
        self._reader.close()

    def _begin(self) -> None:
        """Forget all: the topic is read again from its beginning."""
        self._versions = {}

    def _follow(self) -> None:
        while not self._is_closing.is_set():
            try:
                messages = self._reader.messages(POLL_SECONDS)
            except ClusterError:
                metrics.kafka_error("REGISTRY_UNREADABLE")
                self._is_closing.wait(POLL_SECONDS)
                continue
            versions = dict(self._versions)
            for message in messages:
                add_message(message, versions, self._source.delay)
            self._versions = versions
            self._changes += len(messages)
            if self._reader.is_asked and self._reader.has_given_all():
                self._is_read.set()


def _record(topic: str, document: Mapping[str, Any]) -> Outgoing:
    key = f"{document['advertiser_id']}/{document['event_source_id']}".encode()
    is_deleted = document.get("deleted") is True
    return Outgoing(topic, None if is_deleted else write_document(dict(document)), key)
