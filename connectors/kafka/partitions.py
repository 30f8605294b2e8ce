"""The topic-partitions of one lane: their names and offsets, and the discovery of new ones."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from attribution.vocabulary import MEASUREMENTS
from connectors.kafka.cluster import ClusterError
from connectors.kafka.metadata import Described, MetadataPoller, deleted, missing
from connectors.kafka.offsets import AGAIN_SECONDS, OffsetRequest
from connectors.positions import Position, TopicPosition, partition_name, topic_and_number


@dataclass(slots=True)
class TopicPartitionState:
    """One topic-partition: its next offset, and whether its end has been seen.

    `has_ended` is set when the broker reports the end of the partition, and reset when fetching
    starts over. `committed` is the offset last committed to the group.
    """

    stream: str
    topic: str
    number: int
    topic_id: str
    offset: int = OFFSET_BEGINNING
    has_ended: bool = False
    is_paused: bool = False
    committed: int = OFFSET_BEGINNING

    @property
    def name(self) -> str:
        """The name of the partition: `topic-3`."""
        return partition_name(self.topic, self.number)

    @property
    def place(self) -> TopicPartition:
        """The next offset, as a `TopicPartition` of librdkafka."""
        return TopicPartition(self.topic, self.number, self.offset)

    @property
    def position(self) -> TopicPosition:
        """The next offset, as a position for the snapshot."""
        return TopicPosition(topic_id=self.topic_id, offset=self.offset)

    def end_at(self, offset: int | None) -> None:
        """Note the end of the partition; transaction markers before it are never received."""
        assert offset is not None
        self.has_ended = True
        self.offset = max(self.offset, offset)

    def due(self, position: Position) -> TopicPartition | None:
        """Return the offset to commit; None when it is committed already or not known yet."""
        if position.next_offset in (self.committed, OFFSET_BEGINNING):
            return None
        self.committed = position.next_offset
        return TopicPartition(self.topic, self.number, position.next_offset)

    def gone(self, low: int, high: int, why: str, way_out: str) -> ClusterError:
        """Return the error for a next offset outside of the available ones, `low` to `high` - 1."""
        return ClusterError(
            f"{self.name}: records from offset {self.offset} on {why}; the broker has {low} to "
            f"{high - 1}. Start anew with another state directory and result{way_out}"
        )


class LaneTopicPartitions:
    """The partitions of one lane, by name: those with `number % lanes == lane`."""

    def __init__(
        self, lane: int, lanes: int, topics: Mapping[str, str], read: Collection[str] = ()
    ) -> None:
        """Start without any; `topics` maps streams to topics.

        `read` names the partitions that were read before.
        """
        self._lane = lane
        self._lanes = lanes
        self._topics = topics
        self._read_topics = {topic_and_number(name)[0] for name in read}
        self._known: dict[str, TopicPartitionState] = {}

    def __iter__(self) -> Iterator[TopicPartitionState]:
        """Iterate over all partitions."""
        return iter(self._known.values())

    def __getitem__(self, name: str) -> TopicPartitionState:
        """Return a partition by name."""
        return self._known[name]

    @property
    def topics(self) -> Collection[str]:
        """The topics of the partitions."""
        return self._topics.values()

    def new_among(self, found: Mapping[str, Described]) -> list[TopicPartitionState]:
        """Return the partitions that are new. Raises ClusterError when a topic was replaced."""
        new = []
        for stream, topic in self._topics.items():
            if topic not in found:
                if stream == MEASUREMENTS and not self._was_read(topic):
                    continue  # there may be none, or not yet
                raise deleted(topic) if self._was_read(topic) else missing(topic)
            told = found[topic]
            for number in range(self._lane, told.partitions, self._lanes):
                each = TopicPartitionState(stream, topic, number, told.topic_id)
                if each.name not in self._known:
                    new.append(each)
                else:
                    _check_same(self._known[each.name], told.topic_id)
        return new

    def add(self, partitions: Iterable[TopicPartitionState]) -> None:
        """Add partitions that are new."""
        for each in partitions:
            assert each.name not in self._known
            self._known[each.name] = each

    def resume(self, positions: Mapping[str, Position]) -> None:
        """Resume from the positions of a snapshot."""
        for name, position in positions.items():
            assert isinstance(position, TopicPosition), "preflight lets no other state through"
            if name not in self._known:
                raise self._missing(name)
            _check_same(self._known[name], position.topic_id)
            self._known[name].offset = position.offset

    def without_offset(self) -> list[TopicPartitionState]:
        """Return the partitions whose first offset is not known yet."""
        return [each for each in self if each.offset == OFFSET_BEGINNING]

    def begin(self, first: Mapping[str, int]) -> None:
        """Set the first offsets of partitions; records that then expire unread are a gap."""
        for name, offset in first.items():
            assert self._known[name].offset == OFFSET_BEGINNING
            self._known[name].offset = offset

    def _was_read(self, topic: str) -> bool:
        return topic in self._read_topics or any(each.topic == topic for each in self)

    def _missing(self, name: str) -> ClusterError:
        topics = ", ".join(sorted(self._topics.values()))
        return ClusterError(
            f"{name} was read before, and lane {self._lane} of {self._lanes} finds no such "
            f"partition in {topics}; name the topics that were read, or start anew with another "
            "state directory and result"
        )


def place_of(name: str, position: Position) -> TopicPartition:
    """Return the offset to commit for a partition whose lane is closed."""
    return TopicPartition(*topic_and_number(name), position.next_offset)


def _check_same(known: TopicPartitionState, topic_id: str) -> None:
    if known.topic_id != topic_id:
        msg = (
            f"topic {known.topic} was deleted and made again since it was read, so that its "
            "offsets mean other records; start anew with another state directory and result"
        )
        raise ClusterError(msg)


REFRESH_SECONDS: Final = 10.0
"""Interval between two searches for new partitions."""


class NewPartitions:
    """Discovers new partitions of one lane; never blocks."""

    def __init__(self, admin: AdminClient, partitions: LaneTopicPartitions, seconds: float) -> None:
        """Look for new partitions every `seconds`, and add them to `partitions`."""
        self._admin = admin
        self._lookout = MetadataPoller(admin, partitions.topics, seconds)
        self._partitions = partitions
        self._coming: list[TopicPartitionState] = []
        self._question: OffsetRequest | None = None

    def join(self) -> bool:
        """Add new partitions whose first offset is known by now; return whether there are any.

        Raises ClusterError when a topic was deleted or replaced, and KafkaException when the
        request failed; it is repeated.
        """
        if self._question is not None:
            return self._question.is_answered() and self._take_on(self._question)
        if (found := self._lookout.news()) is not None:
            self._coming = self._partitions.new_among(found)
            if self._coming:
                self._question = OffsetRequest(self._admin, [each.place for each in self._coming])
        return False

    def _take_on(self, answered: OffsetRequest) -> bool:
        self._question = None
        try:
            first = answered.answer()
        except KafkaException:  # a new partition may have no leader yet
            self._lookout.look_again(AGAIN_SECONDS)
            raise
        self._partitions.add(self._coming)
        self._partitions.begin(first)
        return True
