"""Topic-partitions as an intake: one consumer per lane, with explicitly assigned offsets.

No consumer group is rebalanced: a partition belongs to lane `number % lanes`, and its offset is
stored in the lane's snapshot. Offsets are committed to Kafka only for tools that monitor the lag.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from confluent_kafka import (
    OFFSET_BEGINNING,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from connectors.decoding.lines import Lines
from connectors.intake import Documents, Origins
from connectors.kafka.cluster import Cluster, ClusterError, OnError, unreachable
from connectors.kafka.consumer import Fetching
from connectors.kafka.liveness import BrokerLiveness
from connectors.kafka.metadata import Described, describe
from connectors.kafka.offsets import count_refused, first_offsets, tell
from connectors.kafka.partitions import (
    REFRESH_SECONDS,
    LaneTopicPartitions,
    NewPartitions,
    TopicPartitionState,
    place_of,
)
from connectors.kafka.records import headers_of, name_of
from connectors.positions import Position

TELL_ALL_SECONDS: Final = 10.0
"""Interval at which all offsets are committed, not only those that moved, so that refused ones are
committed again."""

HOPELESS: Final = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}
)
"""Errors that do not pass with time; librdkafka retries all others that are not fatal."""


@dataclass(frozen=True, slots=True)
class KafkaIntakes:
    """Opens the partitions of topics, assigned to lanes by partition number.

    `topics` maps streams to topics. If records of one key are in partition k of both topics, one
    lane reads them all. With `accept_gap`, a lane skips records that expired unread instead of
    stopping. `on_error` receives the name of each error that is retried.
    """

    cluster: Cluster
    topics: Mapping[str, str]
    lanes: int
    group: str = "tributary"
    accept_gap: bool = False
    on_error: OnError = lambda _: None
    refresh_seconds: float = REFRESH_SECONDS

    def open(self, lane: int, positions: Mapping[str, Position]) -> "KafkaIntake":
        """Open the partitions of a lane; those in `positions` resume from there.

        Raises ClusterError when the cluster does not respond, or when a topic does not exist or is
        not the one that was read before.
        """
        found = describe(self.cluster, self.topics.values())
        return KafkaIntake(self, lane, found, positions)

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Commit the group's offsets after all lanes are closed; waits a few seconds at most."""
        places = [place_of(name, position) for name, position in positions.items()]
        tell(self.cluster, self.group, places, self.on_error)


class KafkaIntake:
    """The partitions of one lane."""

    def __init__(
        self,
        settings: KafkaIntakes,
        lane: int,
        found: Mapping[str, Described],
        positions: Mapping[str, Position],
    ) -> None:
        """Start reading; `found` is the metadata of the topics."""
        self._settings = settings
        self._partitions = LaneTopicPartitions(lane, settings.lanes, settings.topics, positions)
        self._partitions.add(self._partitions.new_among(found))
        self._partitions.resume(positions)
        places = [each.place for each in self._partitions.without_offset()]
        self._partitions.begin(first_offsets(settings.cluster, places))
        admin, seconds = settings.cluster.admin(), settings.refresh_seconds
        self._newcomers = NewPartitions(admin, self._partitions, seconds)
        self._answers = BrokerLiveness(partial(settings.on_error, "BROKER_SILENT"))
        self._is_unsure = False
        self._told_all_at = time.monotonic()
        consumer = settings.cluster.consumer(
            settings.group,
            self._note,
            on_commit=self._note_commit,
            on_statistics=self._answers.report,
        )
        self._fetching = Fetching(consumer, self._partitions)
        self._fetching.begin()

    def look_around(self) -> None:
        """Find new partitions, without ever waiting for the cluster."""
        try:
            if self._newcomers.join():
                self._fetching.begin()
        except KafkaException as error:
            self._note(error.args[0])

    def partitions(self) -> list[tuple[str, str]]:
        """Return stream and name of every partition known now."""
        return [(each.stream, each.name) for each in self._partitions]

    def position(self, partition: str) -> Position:
        """Return the position after the last returned record."""
        return self._partitions[partition].position

    def next_offset(self, partition: str) -> int:
        """Return the offset below which every record has been returned."""
        return self._partitions[partition].offset

    def is_at_end(self, partition: str) -> bool:
        """Return whether everything up to the last known end of a partition has been returned.

        False while its broker has not responded recently: a broker that hangs proves no end.
        """
        is_known = self._answers.are_recent(partition)
        return is_known and self._fetching.has_given_all(self._partitions[partition])

    def poll(self, held: Collection[str]) -> list[Documents]:
        """Return fetched documents, about POLL_BYTES of them; none of the partitions in `held`."""
        if self._is_unsure:
            self._ask_for_ends()
        given, others = [], []
        for name, messages in self._fetching.poll(held):
            others += [each for each in messages if each.error()]
            if records := [each for each in messages if not each.error()]:
                given.append(self._documents(name, records))
        # Last, because they may restart fetching, from the offsets after what is returned now.
        for message in others:
            self._meet(message)
        return given

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Commit the group's offsets, once a result contains everything below them.

        Only for tools that monitor the lag: the job never reads them, so a failure does no harm.
        """
        if time.monotonic() - self._told_all_at > TELL_ALL_SECONDS:
            self._told_all_at = time.monotonic()
            for known in self._partitions:
                known.committed = OFFSET_BEGINNING
        due = (self._partitions[name].due(each) for name, each in positions.items())
        places = [place for place in due if place is not None]
        if not places:
            return
        try:
            self._fetching.commit(places)
        except KafkaException as error:
            self._settings.on_error(error.args[0].name())

    def close(self) -> None:
        """Close the consumer."""
        self._fetching.close()

    def _ask_for_ends(self) -> None:
        """Discard the ends of partitions, which are unknown while a broker is out of reach.

        Fetching starts over, so that the broker reports the ends once it is back.
        """
        self._is_unsure = False
        if any(each.has_ended for each in self._partitions):
            self._fetching.begin()

    def _documents(self, name: str, messages: list[Message]) -> Documents:
        known = self._partitions[name]
        offsets = np.array([message.offset() for message in messages], dtype=np.int64)
        assert offsets[0] >= known.offset
        known.offset = int(offsets[-1]) + 1
        # A record without a value counts as unreadable, and is refused with its offset.
        values = [message.value() for message in messages]
        lines = Lines.of_documents([value or b"" for value in values])
        return Documents(known.stream, name, lines, offsets, self._origins(messages, values))

    def _origins(self, messages: Sequence[Message], values: Sequence[bytes | None]) -> Origins:
        keys = [message.key() for message in messages]
        count = partial(self._settings.on_error, "HEADERS_UNREADABLE")
        return Origins(keys, values, [headers_of(message, count) for message in messages])

    def _meet(self, message: Message) -> None:
        """Handle a message that is not a record: an end of partition or an error."""
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  the library's spelling
            self._answers.note(name_of(message))
            self._partitions[name_of(message)].end_at(message.offset())
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  as above
            self._meet_gap(self._partitions[name_of(message)])
        elif error.fatal() or error.code() in HOPELESS:
            msg = f"Kafka does not let {message.topic()} be read: {error.str()}; grant access to it"
            raise ClusterError(msg)
        else:
            self._note(error)

    def _meet_gap(self, known: TopicPartitionState) -> None:
        """Stop where records have expired, or skip them when `accept_gap` is set."""
        low, high = self._range(known)
        if known.offset < low:
            self._meet_expired(known, low, high)
        elif known.offset > high:
            raise known.gone(low, high, "are no longer there", "")
        else:
            # The offset exists: the broker asked before was not yet the partition's leader.
            self._settings.on_error("OFFSET_OUT_OF_RANGE")
        self._fetching.begin()

    def _meet_expired(self, known: TopicPartitionState, low: int, high: int) -> None:
        if not self._settings.accept_gap:
            way_out = ", or go on without those between: --set kafka.accept_gap=true"
            raise known.gone(low, high, "expired before they were read", way_out)
        self._settings.on_error("GAP_ACCEPTED")
        known.offset = low

    def _range(self, known: TopicPartitionState) -> tuple[int, int]:
        try:
            return self._fetching.range(known)
        except KafkaException as error:
            raise unreachable(self._settings.cluster, error) from error

    def _note(self, error: KafkaError) -> None:
        """Count an error that librdkafka retries. Also called by it, from within `consume`."""
        self._settings.on_error(error.name())
        self._is_unsure = True

    def _note_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Count refused commits; they are repeated later. Also called from within `consume`."""
        count_refused(self._settings.on_error, error, places)
