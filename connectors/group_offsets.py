"""The offsets of a group, told for tools that watch the lag.

Nothing is ever read from there, so that failing is no harm, but it is counted.
"""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition

from connectors.cluster import Cluster, OnError

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
    """Tell the offsets of a group that nobody reads with any more, and wait for the answer."""
    asked = [ConsumerGroupTopicPartitions(group, list(places))]
    admin = cluster.admin()
    answers = admin.alter_consumer_group_offsets(asked, request_timeout=TELL_SECONDS_MAX)
    try:
        count_refused(on_error, None, answers[group].result().topic_partitions)
    except KafkaException as error:
        on_error(error.args[0].name())
