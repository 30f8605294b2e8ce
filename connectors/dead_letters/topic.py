"""The topic of dead letters: written together with the epoch that refused them, and read back."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from attribution.columnar.frames import DEAD_LETTERS, Rows
from connectors import metrics
from connectors.dead_letters.letters import Letter, outgoing, read_letter
from connectors.failpoints import reach
from connectors.kafka.cluster import Cluster, unreachable
from connectors.kafka.metadata import require
from connectors.kafka.producer import Outbox, Patience, for_a_while
from connectors.kafka.records import headers_of


@dataclass(frozen=True, slots=True)
class DeadLetterSink(FixedPartitionedSink[Rows, int]):
    """One partition: there is one topic, and they are few. `clock` gives microseconds."""

    cluster: Cluster
    topic: str
    clock: Callable[[], int]
    waits: Patience = for_a_while

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return [DEAD_LETTERS]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "DeadLetterBox":
        """Connect; raises ClusterError when the topic does not exist."""
        del step_id, for_part, resume_state
        require(self.cluster, self.topic)
        return DeadLetterBox(self, Outbox(self.cluster, self.waits))


@dataclass(slots=True)
class DeadLetterBox(StatefulSinkPartition[Rows, int]):
    """Sends dead letters; an epoch ends when all of them are safe."""

    sink: DeadLetterSink
    outbox: Outbox
    sent: Counter[str] = field(default_factory=Counter)

    def write_batch(self, values: list[Rows]) -> None:
        """Send the dead letters among the rows."""
        now = self.sink.clock()
        for rows in values:
            letters = rows.tables[DEAD_LETTERS].to_pylist() if DEAD_LETTERS in rows.tables else []
            self.outbox.send([outgoing(letter, self.sink.topic, now) for letter in letters])
            self.sent.update(letter["stream"] for letter in letters)

    def snapshot(self) -> int:
        """Wait until all are safe; raises PublishError or OutageError when they are not."""
        self.outbox.flush()
        if self.sent:
            reach("dead_letters.after_flush")
        for stream, count in self.sent.items():
            metrics.DEAD_LETTERS.labels(stream).inc(count)
        self.sent.clear()
        return 0


GROUP: Final = "tributary-dead-letters"
"""Named because a consumer has to have one; nothing is committed to it."""

BATCH_MESSAGES: Final = 100
"""Taken from the library at once; some may be of the largest size."""

GATHER_SECONDS: Final = 0.05
"""How long the library waits for a batch to be full."""

SILENCE_SECONDS_MAX: Final = 30.0
"""How long a broker may say nothing at all before it counts as out of reach."""


@dataclass(slots=True)
class DeadLetterReader:
    """Reads all dead letters, each refused record once; what is none is passed over.

    `ends` tells afterwards, by partition, how far was read; a reader that is given them reads no
    further, so that letters written in the meantime are not met.
    """

    cluster: Cluster
    topic: str
    ends: dict[int, int] = field(default_factory=dict)

    def read(self) -> Iterator[Letter]:
        """Yield them partition by partition as they come; raises ClusterError."""
        until, self.ends = self.ends, {}
        told = require(self.cluster, self.topic)
        consumer = self.cluster.consumer(GROUP, _pass_over)
        met: set[str] = set()  # a hundred bytes each, and the limit on refusals keeps them few
        try:
            places = range(told.partitions)
            consumer.assign([TopicPartition(self.topic, at, OFFSET_BEGINNING) for at in places])
            for message in self._messages(consumer, told.partitions, until):
                headers = headers_of(message, _leave_out) or ()
                letter = read_letter(message.key(), message.value(), headers)
                if letter is not None and letter.place not in met:
                    met.add(letter.place)
                    yield letter
        finally:
            consumer.close()

    def _messages(
        self, consumer: Consumer, partitions: int, until: Mapping[int, int]
    ) -> Iterator[Any]:
        """Yield records until every partition has ended."""
        heard = time.monotonic()
        while len(self.ends) < partitions:
            batch = consumer.consume(BATCH_MESSAGES, GATHER_SECONDS)
            if batch:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENCE_SECONDS_MAX:
                raise unreachable(self.cluster, KafkaException(KafkaError(KafkaError._TIMED_OUT)))  # noqa: SLF001  the library's spelling
            for message in batch:
                if self._is_within(message, until):
                    yield message

    def _is_within(self, message: Any, until: Mapping[int, int]) -> bool:  # noqa: ANN401  librdkafka's
        """Return whether a message is a record to be read; note where a partition ends."""
        at, offset, error = message.partition(), message.offset(), message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  as above
            raise unreachable(self.cluster, KafkaException(error))
        if error is not None or offset >= until.get(at, offset + 1):
            self.ends.setdefault(at, offset)
        return error is None and at not in self.ends


def _pass_over(error: KafkaError) -> None:
    """Let librdkafka go on trying; if it does not get anywhere, silence tells."""
    del error


def _leave_out() -> None:
    """Let a record without readable headers be: what is set aside has readable ones."""
