"""Partitions that a topic gets while it is read: taken on once it is known where they begin."""

import time
from collections.abc import Collection
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.beginnings import AGAIN_SECONDS, Beginnings
from connectors.cluster import Described, Question
from connectors.lane_partitions import LanePartition, LanePartitions

REFRESH_SECONDS: Final = 10.0
"""How long a new partition may go unnoticed."""


class Newcomers:
    """New partitions of one lane; never waits for the cluster."""

    def __init__(self, admin: AdminClient, partitions: LanePartitions, seconds: float) -> None:
        """Look for new ones every so many seconds, and add them to `partitions`."""
        self._admin = admin
        self._lookout = Lookout(admin, partitions.topics, seconds)
        self._partitions = partitions
        self._coming: list[LanePartition] = []
        self._question: Beginnings | None = None

    def join(self) -> bool:
        """Take on those of which it is now known where they begin; tell whether there are any.

        Raises ClusterError when a topic is gone or another, and KafkaException when the cluster has
        no answer: it is asked again.
        """
        if self._question is not None:
            return self._question.is_answered() and self._take_on(self._question)
        if (found := self._lookout.news()) is not None:
            self._coming = self._partitions.new_among(found)
            if self._coming:
                self._question = Beginnings(self._admin, [each.place for each in self._coming])
        return False

    def _take_on(self, answered: Beginnings) -> bool:
        self._question = None
        try:
            first = answered.answer()
        except KafkaException:  # a new partition may have no leader yet
            self._lookout.look_again(AGAIN_SECONDS)
            raise
        self._partitions.add(self._coming)
        self._partitions.begin(first)
        return True


class Lookout:
    """Asks about topics again and again, and never waits for an answer."""

    def __init__(self, admin: AdminClient, topics: Collection[str], seconds: float) -> None:
        """Ask first when `seconds` have passed, for whoever looks out has just asked."""
        self._admin = admin
        self._topics = topics
        self._seconds = seconds
        self._asked_at = time.monotonic()
        self._question: Question | None = None

    def look_again(self, seconds: float) -> None:
        """Ask next when `seconds` have passed."""
        self._asked_at = time.monotonic() + seconds - self._seconds

    def news(self) -> dict[str, Described] | None:
        """Give an answer that has come: the topics that exist. Raises KafkaException if it failed.

        None when there is no answer yet, or when it is not yet time to ask.
        """
        if self._question is None:
            if time.monotonic() - self._asked_at >= self._seconds:
                self._question = Question(self._admin, self._topics)
                self._asked_at = time.monotonic()
            return None
        if not self._question.is_answered():
            return None
        answered, self._question = self._question, None
        return answered.answer()
