"""The dead-letter topic: written within the epoch that refused the records, and read back."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from attribution.columnar.frames import DEAD_LETTERS, Rows
from connectors import metrics
from connectors.dead_letters.letters import Letter, outgoing, read_letter
from connectors.failpoints import reach
from connectors.kafka.cluster import Cluster, unreachable
from connectors.kafka.metadata import require
from connectors.kafka.producer import Outbox, Patience, for_a_while
from connectors.kafka.read_to_end import consuming, is_end, messages
from connectors.kafka.records import headers_of


@dataclass(frozen=True, slots=True)
class DeadLetterSink(FixedPartitionedSink[Rows, int]):
    """One partition, because dead letters are few. `clock` returns microseconds."""

    cluster: Cluster
    topic: str
    clock: Callable[[], int]
    waits: Patience = for_a_while

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return [DEAD_LETTERS]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "DeadLetterBox":
        """Connect; raises ClusterError when the topic does not exist."""
        del step_id, for_part, resume_state
        require(self.cluster, self.topic)
        return DeadLetterBox(self, Outbox(self.cluster, self.waits))


@dataclass(slots=True)
class DeadLetterBox(StatefulSinkPartition[Rows, int]):
    """Sends dead letters; an epoch ends when Kafka has acknowledged all of them."""

    sink: DeadLetterSink
    outbox: Outbox
    sent: Counter[str] = field(default_factory=Counter)

    def write_batch(self, values: list[Rows]) -> None:
        """Send the rows that are dead letters."""
        now = self.sink.clock()
        for rows in values:
            letters = rows.tables[DEAD_LETTERS].to_pylist() if DEAD_LETTERS in rows.tables else []
            self.outbox.send([outgoing(letter, self.sink.topic, now) for letter in letters])
            self.sent.update(letter["stream"] for letter in letters)

    def snapshot(self) -> int:
        """Wait until all are acknowledged; raises PublishError or OutageError on failure."""
        self.outbox.flush()
        if self.sent:
            reach("dead_letters.after_flush")
        for stream, count in self.sent.items():
            metrics.DEAD_LETTERS.labels(stream).inc(count)
        self.sent.clear()
        return 0


GROUP: Final = "tributary-dead-letters"
"""Group name, which every consumer needs; nothing is committed to it."""

BATCH_MESSAGES: Final = 100
"""Messages read at once; some may have the largest size."""


@dataclass(slots=True)
class DeadLetterReader:
    """Reads all dead letters, one per refused record; other records are skipped.

    After reading, `ends` holds the end offset of each partition. A reader created with `ends` stops
    there, and so skips letters written in the meantime.
    """

    cluster: Cluster
    topic: str
    ends: dict[int, int] = field(default_factory=dict)

    def read(self) -> Iterator[Letter]:
        """Yield the letters, in order within each partition; raises ClusterError."""
        until, self.ends = self.ends, {}
        told = require(self.cluster, self.topic)
        met: set[str] = set()  # a hundred bytes each; the limit on refusals bounds their number
        with consuming(self.cluster, GROUP) as consumer:
            places = range(told.partitions)
            consumer.assign([TopicPartition(self.topic, at, OFFSET_BEGINNING) for at in places])
            for message in self._messages(consumer, told.partitions, until):
                # A record with unreadable headers is skipped: dead letters have readable ones.
                headers = headers_of(message, lambda: None) or ()
                letter = read_letter(message.key(), message.value(), headers)
                if letter is not None and letter.place not in met:
                    met.add(letter.place)
                    yield letter

    def _messages(
        self, consumer: Consumer, partitions: int, until: Mapping[int, int]
    ) -> Iterator[Message]:
        """Yield records until every partition has been read to its end."""
        for message in messages(self.cluster, consumer, BATCH_MESSAGES):
            if self._is_within(message, until):
                yield message
            if len(self.ends) == partitions:
                return

    def _is_within(self, message: Message, until: Mapping[int, int]) -> bool:
        """Return whether a message is a record to be read; record the ends of partitions."""
        at, offset, error = message.partition(), message.offset(), message.error()
        assert at is not None
        assert offset is not None
        if error is not None and not is_end(message):
            raise unreachable(self.cluster, KafkaException(error))
        if error is not None or offset >= until.get(at, offset + 1):
            self.ends.setdefault(at, offset)
        return error is None and at not in self.ends
