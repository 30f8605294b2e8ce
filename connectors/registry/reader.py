"""Reads the messages of the registry topic, in order, up to a known end.

Reads from the beginning, because a registry is small; `registry.messages` interprets the messages.
New partitions are discovered; a recreated topic is read again from the beginning.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from connectors.kafka.cluster import ANSWER_SECONDS_MAX, Cluster, OnError
from connectors.kafka.metadata import MetadataPoller, require
from connectors.kafka.offsets import OffsetRequest
from connectors.kafka.partitions import REFRESH_SECONDS
from connectors.positions import partition_name
from connectors.registry.kept import TopicOffsets
from connectors.registry.source import SourceMessage

BATCH_MESSAGES: Final = 1000

REGISTRY_DELAY: Final = 5_000_000
"""Delay (us) from a message to its effect: longer than it takes to read it, even during a leader
election."""

LOOK_INTERVAL: Final = 1_000_000
"""Interval (us) of requests for the end of the topic; each one ends with a save and its sync."""

GROUP: Final = "tributary-registry"
"""Group name of the consumer, which commits no offsets."""

BEGUN_AGAIN: Final = "REGISTRY_BEGUN_AGAIN"
"""Counted like an error: the topic was recreated, or the next offset no longer exists."""


@dataclass(frozen=True, slots=True)
class SourceTopic:
    """The registry topic. `on_error` receives the name of each error that is retried."""

    cluster: Cluster
    topic: str
    on_error: OnError = lambda _: None
    refresh_seconds: float = REFRESH_SECONDS
    delay: int = REGISTRY_DELAY
    look_interval: int = LOOK_INTERVAL

    def reader(self, on_begin: Callable[[], None]) -> "SourceReader":
        """Open a reader; raises ClusterError."""
        return SourceReader(self, on_begin)


class SourceReader:
    """Reads a registry topic."""

    def __init__(self, source: SourceTopic, on_begin: Callable[[], None]) -> None:
        """Start reading; `on_begin` is called whenever reading starts over. Raises ClusterError."""
        told = require(source.cluster, source.topic)
        self._source = source
        self._on_begin = on_begin
        self._admin: AdminClient  # responses arrive only while it exists
        self._topic_id = told.topic_id
        self._next = dict.fromkeys(map(str, range(told.partitions)), 0)
        self._ended: set[str] = set()
        self._question: OffsetRequest | None = None
        admin, topics = source.cluster.admin(), [source.topic]
        self._lookout = MetadataPoller(admin, topics, source.refresh_seconds)
        self._consumer: Consumer = source.cluster.consumer(GROUP, self._note)
        self._begin()

    @property
    def read(self) -> TopicOffsets:
        """Return the id and the next offsets of the topic."""
        return TopicOffsets(self._topic_id, dict(self._next))

    @property
    def is_asked(self) -> bool:
        """Return whether a request for the ends is pending."""
        return self._question is not None

    def messages(self, seconds: float = 0.0) -> list[SourceMessage]:
        """Return the next messages; waits up to `seconds` for the first one."""
        self._look_around()
        given = []
        for message in self._consumer.consume(BATCH_MESSAGES, seconds):
            error, partition = message.error(), str(message.partition())
            offset = message.offset() or 0
            if error is None:
                # After an assignment, a broker may send records that were read before (Tansu does).
                if offset >= self._next[partition]:
                    given.append(_source_message(message))
                    self._next[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's spelling
                self._ended.add(partition)
                # Transaction markers may follow the last record; consumers never receive them.
                self._next[partition] = max(self._next[partition], offset)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  as above
                self._begin_again()
                return []
            else:
                self._note(error)
        return given

    def ask(self) -> None:
        """Request the current ends of the partitions from their leaders, and fetch anew."""
        self._ended.clear()
        self._assign()  # so that librdkafka reports ends that it has reported before
        places = [self._place(partition) for partition in self._next]
        self._question = OffsetRequest(self._admin, places, latest=True)

    def has_given_all(self) -> bool:
        """Return whether everything up to the requested ends was returned; completes the request.

        A failed request is completed too: then call `ask` again.
        """
        if self._question is None or not self._question.is_answered():
            return False
        try:
            ends = self._question.answer()
        except KafkaException as error:
            self._note(error.args[0])
            self._question = None
            return False
        topic = self._source.topic
        is_given = all(
            self._is_at_end(partition, ends[partition_name(topic, int(partition))])
            for partition in self._next
        )
        if is_given or time.monotonic() > self._question.asked_at + ANSWER_SECONDS_MAX:
            self._question = None
        return is_given

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _is_at_end(self, partition: str, end: int) -> bool:
        """Return whether a partition was read to its end; a leader may report too low an end."""
        place, read = self._place(partition), self._next[partition]
        if partition not in self._ended or read < end:
            return False
        _, high = self._consumer.get_watermark_offsets(place, cached=True)
        return bool(high <= read)

    def _look_around(self) -> None:
        """Discover new partitions, or a recreated topic, without blocking."""
        try:
            found = self._lookout.news() or {}
        except KafkaException as error:
            self._note(error.args[0])
            return
        told = found.get(self._source.topic)
        if told is None:  # no response yet, or no such topic: nothing can be requested until then
            return
        partitions = list(map(str, range(told.partitions)))
        if told.topic_id != self._topic_id:
            self._topic_id, self._next = told.topic_id, dict.fromkeys(partitions, 0)
            self._begin_again()
        elif len(partitions) > len(self._next):
            self._next = dict.fromkeys(partitions, 0) | self._next
            self._begin()

    def _begin_again(self) -> None:
        self._source.on_error(BEGUN_AGAIN)
        self._next = dict.fromkeys(self._next, 0)
        self._begin()
        self._on_begin()

    def _begin(self) -> None:
        """Read on from the next offsets; a pending request is dropped."""
        # librdkafka caches topic metadata for minutes; a new client requests it.
        self._admin = self._source.cluster.admin()
        self._question = None
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([self._place(partition) for partition in self._next])

    def _place(self, partition: str) -> TopicPartition:
        # A compacted topic may start at any offset, so 0 stands for its beginning.
        offset = self._next[partition] or OFFSET_BEGINNING
        return TopicPartition(self._source.topic, int(partition), offset)

    def _note(self, error: KafkaError) -> None:
        """Count an error that librdkafka retries. Also called by it, from within `consume`."""
        self._source.on_error(error.name())


def _source_message(message: Message) -> SourceMessage:
    kind, milliseconds = message.timestamp()
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return SourceMessage(
        message.key(),
        message.value(),
        partition,
        offset,
        None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds * 1_000,
    )
