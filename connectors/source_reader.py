"""The registry topic as a reader finds it: messages in their order, and whether there may be more.

Reads all partitions there were at the start; what a message means is `source_messages`' business.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.cluster import ANSWER_SECONDS_MAX, Cluster, require
from connectors.kafka import OnError, ignore

BATCH_MESSAGES: Final = 1000

GROUP: Final = "tributary-registry"
"""Nothing is ever committed under this name."""


@dataclass(frozen=True, slots=True)
class SourceTopic:
    """Where the registry is. `on_error` is told the name of each error that is tried again."""

    cluster: Cluster
    topic: str
    on_error: OnError = ignore


class SourceReader:
    """Reads a registry topic from where an earlier reader left off."""

    def __init__(self, source: SourceTopic, read: Mapping[str, int]) -> None:
        """Go on from `read`: the next offset by partition. Raises ClusterError."""
        told = require(source.cluster, source.topic)
        self._source = source
        self._admin: AdminClient = source.cluster.admin()  # answers come as long as it lives
        self.read = {str(at): read.get(str(at), 0) for at in range(told.partitions)}
        self._consumer: Consumer = source.cluster.consumer(GROUP, self._note)
        self._assign()

    def messages(self, seconds: float = 0.0) -> list[Message]:
        """Give the next messages; waits for the first for so long."""
        given = []
        for message in self._consumer.consume(BATCH_MESSAGES, seconds):
            error, offset = message.error(), message.offset()
            if error is None:
                given.append(message)
                self.read[str(message.partition())] = (offset or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's spelling
                partition = str(message.partition())
                self.read[partition] = max(self.read[partition], offset or 0)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  as above
                self._begin_again(message)
            else:
                self._note(error)
        return given

    def ask(self) -> "Ends":
        """Ask where the partitions end now."""
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = {self._place(at): latest for at in self.read}
        answers = self._admin.list_offsets(
            asked,
            request_timeout=ANSWER_SECONDS_MAX,
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        return Ends({str(place.partition): answer for place, answer in answers.items()})

    def has_reached(self, ends: Mapping[str, int]) -> bool:
        """Tell whether all that there was has been given."""
        return all(self.read[partition] >= end for partition, end in ends.items())

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def _begin_again(self, message: Message) -> None:
        """Read from the beginning where the topic was made anew; what is known already stays."""
        self._source.on_error("REGISTRY_BEGUN_AGAIN")
        self.read[str(message.partition())] = 0
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([self._place(at) for at in self.read])

    def _place(self, partition: str) -> TopicPartition:
        # A compacted topic may begin anywhere, so 0 is its beginning and not an offset.
        offset = self.read[partition] or OFFSET_BEGINNING
        return TopicPartition(self._source.topic, int(partition), offset)

    def _note(self, error: KafkaError) -> None:
        """Count an error; librdkafka goes on trying. Also called by it, from within `consume`."""
        self._source.on_error(error.name())


@dataclass(frozen=True, slots=True)
class Ends:
    """Where partitions ended when it was asked; the answer comes later."""

    answers: Mapping[str, "Future[Any]"]

    def are_known(self) -> bool:
        """Tell whether the answer is there."""
        return all(answer.done() for answer in self.answers.values())

    def offsets(self) -> dict[str, int]:
        """Wait for the answer; raises KafkaException."""
        return {partition: int(each.result().offset) for partition, each in self.answers.items()}
