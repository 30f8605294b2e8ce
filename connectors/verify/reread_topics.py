"""Reads topics again, from their beginning to the end of a result, in order to verify it.

Uses a separate consumer, which commits nothing, and reads one partition after the other.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.decoding.decoder import PartitionDecoder
from connectors.decoding.lines import Lines
from connectors.kafka.cluster import ANSWER_SECONDS_MAX, Cluster, ClusterError, unreachable
from connectors.kafka.metadata import Described, describe
from connectors.kafka.read_to_end import consuming, is_end, messages
from connectors.positions import topic_and_number
from connectors.progress import Extent

GROUP: Final = "tributary-verify"
"""Group name, which every consumer needs; nothing is committed to it."""

BATCH_MESSAGES: Final = 1000
"""Messages read at once."""

DECODE_BYTES: Final = 8_000_000
"""Bytes decoded at once: decoding costs tens of milliseconds however few they are."""


@dataclass(frozen=True, slots=True)
class TopicLog:
    """The topics of a result; `beginnings` are the earliest offsets when its run began."""

    cluster: Cluster
    topics: Collection[str]
    beginnings: Mapping[str, int]

    def decode(
        self, extents: Sequence[Extent], policy: Policy, registry: Registry
    ) -> Iterator[Decoded]:
        """Decode the part of the topics that the result contains.

        Raises ClusterError when some of it no longer exists.
        """
        self._check(extents, describe(self.cluster, self.topics))
        with consuming(self.cluster, GROUP) as consumer:
            for extent in extents:
                decoder = PartitionDecoder(
                    extent.stream, extent.partition, policy=policy, registry=registry
                )
                for records in self._chunks(consumer, extent):
                    yield _decode(decoder, extent, records)

    def _check(self, extents: Sequence[Extent], found: Mapping[str, Described]) -> None:
        """Raise ClusterError if a partition is gone: a consumer would only wait for it."""
        for extent in extents:
            place = self._place(extent)
            if place.topic not in found or place.partition >= found[place.topic].partitions:
                msg = (
                    f"{extent.partition} is not on the cluster any more, and the result is made of "
                    f"its records below offset {extent.next_offset}: the topic was deleted, or this"
                    " is another cluster; check kafka.bootstrap_servers"
                )
                raise ClusterError(msg)

    def _chunks(self, consumer: Consumer, extent: Extent) -> Iterator[list[Message]]:
        """Yield the records of a partition, in groups that are decoded at once."""
        gathered: list[Message] = []
        size = 0
        for message in self._messages(consumer, extent):
            gathered.append(message)
            size += len(message)
            if size >= DECODE_BYTES:
                yield gathered
                gathered, size = [], 0
        if gathered:
            yield gathered

    def _messages(self, consumer: Consumer, extent: Extent) -> Iterator[Message]:
        """Yield the records below the end of an extent."""
        place = self._place(extent)
        consumer.assign([place])
        for message in messages(self.cluster, consumer, BATCH_MESSAGES):
            offset = _offset(message)
            if message.error() is not None:
                self._meet(consumer, place, extent, message)
            elif offset < extent.next_offset:
                yield message
                offset += 1
            if offset >= extent.next_offset:
                return

    def _place(self, extent: Extent) -> TopicPartition:
        """Return the earliest offset of a partition."""
        topic, number = topic_and_number(extent.partition)
        if topic not in self.topics:
            msg = f"{extent.partition} is of none of the topics {', '.join(sorted(self.topics))}"
            raise ClusterError(msg)
        return TopicPartition(topic, number, self.beginnings.get(extent.partition, 0))

    def _meet(
        self, consumer: Consumer, place: TopicPartition, extent: Extent, message: Message
    ) -> None:
        """Raise ClusterError for any message but a record or the expected end of partition."""
        error = message.error()
        assert error is not None
        if is_end(message):
            if _offset(message) < extent.next_offset:
                msg = (
                    f"{extent.partition} ends at offset {_offset(message)}, and the result is made "
                    f"of all below {extent.next_offset}: the topic was made anew, or the cluster "
                    "has lost records"
                )
                raise ClusterError(msg)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  the library's spelling
            raise self._expired(consumer, place)
        else:
            raise unreachable(self.cluster, KafkaException(error))

    def _expired(self, consumer: Consumer, place: TopicPartition) -> ClusterError:
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS_MAX)
        except KafkaException as error:
            return unreachable(self.cluster, error)
        return ClusterError(
            f"{place.topic}-{place.partition}: the result is made of records from offset "
            f"{place.offset} on, and the broker has {low} to {high - 1}: the others have expired, "
            "so that the result cannot be held against the topics any more"
        )


def _decode(decoder: PartitionDecoder, extent: Extent, messages: list[Message]) -> Decoded:
    offsets = np.array([_offset(message) for message in messages], dtype=np.int64)
    lines = Lines.of_documents([message.value() or b"" for message in messages])
    late_records = extent.late_among(int(offsets[0]), int(offsets[-1]) + 1)
    return decoder.decode(lines, offsets, late_records=late_records, read_times=extent.read_times)


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset
