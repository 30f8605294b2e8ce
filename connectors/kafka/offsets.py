"""Offsets: the earliest one available per partition, and those committed to the consumer group."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
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
"""Errors of a partition that is new or is changing its leader; librdkafka does not retry them."""

AGAIN_SECONDS: Final = 0.2
"""Pause before the next request for a partition without a leader."""


class OffsetRequest:
    """A request for the earliest or latest offsets of partitions that does not block.

    The latest are those up to which a consumer of committed records can read.
    """

    def __init__(
        self, admin: AdminClient, places: Collection[TopicPartition], *, latest: bool = False
    ) -> None:
        """Send the request, unless there are no `places`."""
        self._admin = admin  # responses arrive only while the client exists
        self.asked_at = time.monotonic()
        spec: OffsetSpec = (OffsetSpec.latest if latest else OffsetSpec.earliest)()  # type: ignore[no-untyped-call]
        asked = {TopicPartition(each.topic, each.partition): spec for each in places}
        self._answers: Mapping[TopicPartition, Future[Any]] = {}
        if asked:
            self._answers = admin.list_offsets(
                asked,
                request_timeout=ANSWER_SECONDS_MAX,
                isolation_level=IsolationLevel.READ_COMMITTED,
            )

    def is_answered(self) -> bool:
        """Return whether the response has arrived."""
        return all(answer.done() for answer in self._answers.values())

    def answer(self) -> dict[str, int]:
        """Wait, and return the offset by partition name; raises KafkaException."""
        return {
            partition_name(at.topic, at.partition): int(answer.result().offset)
            for at, answer in self._answers.items()
        }


def beginnings(cluster: Cluster, topics: Collection[str]) -> dict[str, int]:
    """Return the earliest offset by partition name; partitions that start at 0 are omitted.

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
    """Return the earliest offset of these partitions, by name; raises ClusterError."""
    admin, until = cluster.admin(), time.monotonic() + ANSWER_SECONDS_MAX
    while True:
        try:
            return OffsetRequest(admin, places).answer()
        except KafkaException as error:
            if error.args[0].code() not in LEADERLESS or time.monotonic() > until:
                raise unreachable(cluster, error) from error
        time.sleep(AGAIN_SECONDS)


TELL_SECONDS_MAX: Final = 5.0
"""How long the end of a job waits for its last commit to the group."""


def count_refused(
    on_error: OnError, error: KafkaError | None, places: Sequence[TopicPartition]
) -> None:
    """Count the errors of a commit: `error` of the whole request, and those of partitions."""
    for each in {error, *(place.error for place in places)}:
        if each is not None:
            on_error(each.name())


def tell(cluster: Cluster, group: str, places: Sequence[TopicPartition], on_error: OnError) -> None:
    """Commit the offsets of a group without a running consumer, and wait for the response."""
    asked = [ConsumerGroupTopicPartitions(group, list(places))]
    admin = cluster.admin()
    answers = admin.alter_consumer_group_offsets(asked, request_timeout=TELL_SECONDS_MAX)
    try:
        count_refused(on_error, None, answers[group].result().topic_partitions)
    except KafkaException as error:
        on_error(error.args[0].name())
