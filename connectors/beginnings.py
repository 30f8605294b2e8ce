"""Where partitions begin: the first offsets that the cluster still has."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.cluster import ANSWER_SECONDS_MAX, Cluster, describe, unreachable

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


class Beginnings:
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
        """Tell whether the answer is there."""
        return all(answer.done() for answer in self._answers.values())

    def answer(self) -> dict[str, int]:
        """Wait for the first offset of each partition, by its name; raises KafkaException."""
        return {
            f"{at.topic}-{at.partition}": int(answer.result().offset)
            for at, answer in self._answers.items()
        }


def beginnings(cluster: Cluster, topics: Collection[str]) -> dict[str, int]:
    """Give the first offset that there is of each partition, by its name; 0 goes without saying.

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
    """Give the first offset of each of these partitions, by its name; raises ClusterError."""
    admin, until = cluster.admin(), time.monotonic() + ANSWER_SECONDS_MAX
    while True:
        try:
            return Beginnings(admin, places).answer()
        except KafkaException as error:
            if error.args[0].code() not in LEADERLESS or time.monotonic() > until:
                raise unreachable(cluster, error) from error
        time.sleep(AGAIN_SECONDS)
