"""Offsets: the earliest one available per partition, and those committed to the consumer group."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.kafka.cluster import ANSWER_SECONDS_MAX, Cluster, OnError, unreachable
from connectors.kafka.metadata import describe
from connectors.positions import partition_name

LEADERLESS: Final = frozenset(
    {
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""What is said of a partition that is new or is changing its leader; the library does not ask again
by itself."""

AGAIN_SECONDS: Final = 0.2
"""Until a partition without a leader is asked for again."""


class EarliestOffsets:
    """Asks where partitions begin, and does not wait for the answer."""

    def __init__(self, admin: AdminClient, places: Collection[TopicPartition]) -> None:
        """Ask; without places there is nothing to ask."""
        self._admin = admin  # answers come as long as it lives
        earliest: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(each.topic, each.partition): earliest for each in places}
        self._answers: Mapping[TopicPartition, Future[Any]] = {}
        if asked:
            self._answers = admin.list_offsets(asked, request_timeout=ANSWER_SECONDS_MAX)

    def is_answered(self) -> bool:
        """Return whether the answer is there."""
        return all(answer.done() for answer in self._answers.values())

    def answer(self) -> dict[str, int]:
        """Wait for the first offset of each partition, by its name; raises KafkaException."""
        return {
            partition_name(at.topic, at.partition): int(answer.result().offset)
            for at, answer in self._answers.items()
        }


def beginnings(cluster: Cluster, topics: Collection[str]) -> dict[str, int]:
    """Return the first offset that there is of each partition, by its name; 0 goes without saying.

    Raises ClusterError.
    """
    places = [
        TopicPartition(topic, number)
        for topic, told in describe(cluster, topics).items()
        for number in range(told.partitions)
    ]
    first = first_offsets(cluster, places)
    return {name: offset for name, offset in first.items() if offset > 0}


def first_offsets(cluster: Cluster, places: Collection[TopicPartition]) -> dict[str, int]:
    """Return the first offset of each of these partitions, by its name; raises ClusterError."""
    admin, until = cluster.admin(), time.monotonic() + ANSWER_SECONDS_MAX
    while True:
        try:
            return EarliestOffsets(admin, places).answer()
        except KafkaException as error:
            if error.args[0].code() not in LEADERLESS or time.monotonic() > until:
                raise unreachable(cluster, error) from error
        time.sleep(AGAIN_SECONDS)


TELL_SECONDS_MAX: Final = 5.0
"""How long the end of a job waits for the group to be told."""


def count_refused(
    on_error: OnError, error: KafkaError | None, places: Sequence[TopicPartition]
) -> None:
    """Count why offsets were not taken: all of them, or some."""
    for each in {error, *(place.error for place in places)}:
        if each is not None:
            on_error(each.name())


def tell(cluster: Cluster, group: str, places: Sequence[TopicPartition], on_error: OnError) -> None:
    """Commit the offsets of a group without a running consumer, and wait for the answer."""
    asked = [ConsumerGroupTopicPartitions(group, list(places))]
    admin = cluster.admin()
    answers = admin.alter_consumer_group_offsets(asked, request_timeout=TELL_SECONDS_MAX)
    try:
        count_refused(on_error, None, answers[group].result().topic_partitions)
    except KafkaException as error:
        on_error(error.args[0].name())
