"""The registry topic as a reader finds it: messages in their order, and whether there may be more.

Reads from the beginning, for a registry is small; what a message means is `source_messages`'
business. Partitions that are added are found; a topic that is made anew is begun again.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.kafka.cluster import ANSWER_SECONDS_MAX, Cluster, OnError, ignore
from connectors.kafka.metadata import MetadataPoller, require
from connectors.kafka.partitions import REFRESH_SECONDS
from connectors.registry.kept import TopicOffsets

BATCH_MESSAGES: Final = 1000

REGISTRY_DELAY: Final = 5_000_000
"""From a message to its effect (us): longer than it takes to be read, even of a topic whose leader
is just being elected."""

LOOK_INTERVAL: Final = 1_000_000
"""Between two questions whether there is more (us); each answer is kept, which takes a sync."""

GROUP: Final = "tributary-registry"
"""Nothing is ever committed under this name."""

BEGUN_AGAIN: Final = "REGISTRY_BEGUN_AGAIN"
"""Counted beside errors: the topic was made anew, or has lost what was read of it."""


@dataclass(frozen=True, slots=True)
class SourceTopic:
    """Where the registry is. `on_error` is told the name of each error that is tried again."""

    cluster: Cluster
    topic: str
    on_error: OnError = ignore
    refresh_seconds: float = REFRESH_SECONDS
    delay: int = REGISTRY_DELAY
    look_interval: int = LOOK_INTERVAL

    def reader(self, on_begin: Callable[[], None]) -> "SourceReader":
        """Open a reader; raises ClusterError."""
        return SourceReader(self, on_begin)


class SourceReader:
    """Reads a registry topic."""

    def __init__(self, source: SourceTopic, on_begin: Callable[[], None]) -> None:
        """Begin; `on_begin` is called when all is read again. Raises ClusterError."""
        told = require(source.cluster, source.topic)
        self._source = source
        self._on_begin = on_begin
        self._admin: AdminClient  # answers come as long as it lives
        self._topic_id = told.topic_id
        self._next = dict.fromkeys(map(str, range(told.partitions)), 0)
        self._ended: set[str] = set()
        self._question: Ends | None = None
        admin, topics = source.cluster.admin(), [source.topic]
        self._lookout = MetadataPoller(admin, topics, source.refresh_seconds)
        self._consumer: Consumer = source.cluster.consumer(GROUP, self._note)
        self._begin()

    @property
    def read(self) -> TopicOffsets:
        """Return how far the topic has been read."""
        return TopicOffsets(self._topic_id, dict(self._next))

    @property
    def is_asked(self) -> bool:
        """Return whether the last question is still open."""
        return self._question is not None

    def messages(self, seconds: float = 0.0) -> list[Message]:
        """Return the next messages; waits for the first for so long."""
        self._look_around()
        given = []
        for message in self._consumer.consume(BATCH_MESSAGES, seconds):
            error, partition = message.error(), str(message.partition())
            offset = message.offset() or 0
            if error is None:
                # A broker may answer an assignment with what was read before: seen with Tansu.
                if offset >= self._next[partition]:
                    given.append(message)
                    self._next[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's spelling
                self._ended.add(partition)
                # Behind the last record there may be marks of transactions, which are never given.
                self._next[partition] = max(self._next[partition], offset)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  as above
                self._begin_again()
                return []
            else:
                self._note(error)
        return given

    def ask(self) -> None:
        """Ask where the partitions end now: their leaders, and by fetching anew."""
        self._ended.clear()
        self._assign()  # or an end that was told once would not be told again
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(
            {self._place(partition): latest for partition in self._next},
            request_timeout=ANSWER_SECONDS_MAX,
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        self._question = Ends({str(at.partition): each for at, each in answers.items()})

    def has_given_all(self) -> bool:
        """Return whether everything up to the last known end was returned; closes that question.

        It is closed as well if it was not answered: then ask again.
        """
        if self._question is None or not self._question.are_known():
            return False
        try:
            ends = self._question.offsets()
        except KafkaException as error:
            self._note(error.args[0])
            self._question = None
            return False
        is_given = all(self._is_at_end(partition, end) for partition, end in ends.items())
        if is_given or time.monotonic() > self._question.asked_at + ANSWER_SECONDS_MAX:
            self._question = None
        return is_given

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def _is_at_end(self, partition: str, end: int) -> bool:
        """Return whether a partition was read to its end: what a leader says of it may be short."""
        place, read = self._place(partition), self._next[partition]
        if partition not in self._ended or read < end:
            return False
        _, high = self._consumer.get_watermark_offsets(place, cached=True)
        return bool(high <= read)

    def _look_around(self) -> None:
        """Find new partitions, or a new topic, without ever waiting for the cluster."""
        try:
            found = self._lookout.news() or {}
        except KafkaException as error:
            self._note(error.args[0])
            return
        told = found.get(self._source.topic)
        if told is None:  # no news, or there is none: until it is back, nothing can be asked
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
        """Read on from where that is; what was asked before does not matter."""
        # The library goes on for minutes by what it knows of a topic: a new client asks.
        self._admin = self._source.cluster.admin()
        self._question = None
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([self._place(partition) for partition in self._next])

    def _place(self, partition: str) -> TopicPartition:
        # A compacted topic may begin anywhere, so 0 is its beginning and not an offset.
        offset = self._next[partition] or OFFSET_BEGINNING
        return TopicPartition(self._source.topic, int(partition), offset)

    def _note(self, error: KafkaError) -> None:
        """Count an error; librdkafka goes on trying. Also called by it, from within `consume`."""
        self._source.on_error(error.name())


class Ends:
    """Where partitions ended when it was asked; the answer comes later."""

    def __init__(self, answers: Mapping[str, "Future[Any]"]) -> None:
        """Take what was just asked, by partition."""
        self._answers = answers
        self.asked_at = time.monotonic()

    def are_known(self) -> bool:
        """Return whether the answer is there."""
        return all(answer.done() for answer in self._answers.values())

    def offsets(self) -> dict[str, int]:
        """Wait for the answer; raises KafkaException."""
        return {partition: int(each.result().offset) for partition, each in self._answers.items()}
