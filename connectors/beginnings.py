"""Where partitions begin: the first offsets that the cluster still has."""

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.cluster import ANSWER_SECONDS_MAX, Cluster, describe, unreachable


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
    try:
        return Beginnings(cluster.admin(), places).answer()
    except KafkaException as error:
        raise unreachable(cluster, error) from error
