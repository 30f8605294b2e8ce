"""What a cluster says about topics: which exist, their ids, and how many partitions they have."""

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
    """What the cluster says about a topic; another topic under the same name has another id."""

    topic_id: str
    partitions: int


class MetadataRequest:
    """Asks what a cluster says about topics, and does not wait for the answer."""

    def __init__(self, admin: AdminClient, topics: Collection[str]) -> None:
        """Ask."""
        self._admin = admin  # answers come as long as it lives
        self._answers: Mapping[str, Future[Any]] = admin.describe_topics(
            TopicCollection(list(topics)), request_timeout=ANSWER_SECONDS_MAX
        )

    def is_answered(self) -> bool:
        """Return whether the answer is there."""
        return all(answer.done() for answer in self._answers.values())

    def answer(self) -> dict[str, Described]:
        """Wait for the answer: the topics that exist. Raises KafkaException when there is none."""
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
    """Return the topics that exist. Raises ClusterError when the cluster does not answer."""
    try:
        return MetadataRequest(cluster.admin(), topics).answer()
    except KafkaException as error:
        raise unreachable(cluster, error) from error


def require(cluster: Cluster, topic: str) -> Described:
    """Return a topic that there has to be. Raises ClusterError when it does not exist."""
    found = describe(cluster, [topic])
    if topic not in found:
        raise missing(topic)
    return found[topic]


def missing(topic: str) -> ClusterError:
    """Explain that a topic does not exist."""
    return ClusterError(f"topic {topic} does not exist; make it: tributary topics create")


def deleted(topic: str) -> ClusterError:
    """Explain that a topic that was read does not exist any more."""
    return ClusterError(
        f"topic {topic} was read before and does not exist any more: it was deleted, or this is "
        "another cluster; check kafka.bootstrap_servers, or start anew with another state "
        "directory and result"
    )


class MetadataPoller:
    """Asks about topics again and again, and never waits for an answer."""

    def __init__(self, admin: AdminClient, topics: Collection[str], seconds: float) -> None:
        """Ask first when `seconds` have passed, for whoever looks out has just asked."""
        self._admin = admin
        self._topics = topics
        self._seconds = seconds
        self._asked_at = time.monotonic()
        self._question: MetadataRequest | None = None

    def look_again(self, seconds: float) -> None:
        """Ask next when `seconds` have passed."""
        self._asked_at = time.monotonic() + seconds - self._seconds

    def news(self) -> dict[str, Described] | None:
        """Return the topics that exist, once an answer is there. Raises KafkaException on failure.

        None when there is no answer yet, or when it is not yet time to ask.
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
