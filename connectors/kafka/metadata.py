"""Topic metadata: which topics exist, their ids, and their numbers of partitions."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from connectors.kafka.cluster import ANSWER_SECONDS_MAX, Cluster, ClusterError, unreachable


@dataclass(frozen=True, slots=True)
class Described:
    """The metadata of a topic; a topic that was deleted and created again has another id."""

    topic_id: str
    partitions: int


class MetadataRequest:
    """A request for topic metadata that does not block."""

    def __init__(self, admin: AdminClient, topics: Collection[str]) -> None:
        """Send the request."""
        self._admin = admin  # responses arrive only while the client exists
        self._answers: Mapping[str, Future[Any]] = admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=ANSWER_SECONDS_MAX
        )

    def is_answered(self) -> bool:
        """Return whether the response has arrived."""
        return all(answer.done() for answer in self._answers.values())

    def answer(self) -> dict[str, Described]:
        """Wait, and return the topics that exist. Raises KafkaException without a response."""
        found = {}
        for topic, answer in self._answers.items():
            try:
                told = answer.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
            else:
                found[topic] = Described(str(told.topic_id), len(told.partitions))
        return found


def describe(cluster: Cluster, topics: Collection[str]) -> dict[str, Described]:
    """Return the topics that exist. Raises ClusterError when the cluster does not respond."""
    try:
        return MetadataRequest(cluster.admin(), topics).answer()
    except KafkaException as error:
        raise unreachable(cluster, error) from error


def require(cluster: Cluster, topic: str) -> Described:
    """Return a topic. Raises ClusterError when it does not exist."""
    found = describe(cluster, [topic])
    if topic not in found:
        raise missing(topic)
    return found[topic]


def missing(topic: str) -> ClusterError:
    """Return the error for a topic that does not exist."""
    return ClusterError(f"topic {topic} does not exist; make it: tributary topics create")


def deleted(topic: str) -> ClusterError:
    """Return the error for a topic that was read before and no longer exists."""
    return ClusterError(
        f"topic {topic} was read before and does not exist any more: it was deleted, or this is "
        "another cluster; check kafka.bootstrap_servers, or start anew with another state "
        "directory and result"
    )


class MetadataPoller:
    """Requests topic metadata at an interval; never blocks."""

    def __init__(self, admin: AdminClient, topics: Collection[str], seconds: float) -> None:
        """Send the first request after `seconds`, because the caller has just read the metadata."""
        self._admin = admin
        self._topics = topics
        self._seconds = seconds
        self._asked_at = time.monotonic()
        self._question: MetadataRequest | None = None

    def look_again(self, seconds: float) -> None:
        """Send the next request after `seconds`."""
        self._asked_at = time.monotonic() + seconds - self._seconds

    def news(self) -> dict[str, Described] | None:
        """Return the topics that exist, once a response arrives. Raises KafkaException on failure.

        Returns None while there is no response, or the next request is not due.
        """
        if self._question is None:
            if time.monotonic() - self._asked_at >= self._seconds:
                self._question = MetadataRequest(self._admin, self._topics)
                self._asked_at = time.monotonic()
            return None
        if not self._question.is_answered():
            return None
        answered, self._question = self._question, None
        return answered.answer()
