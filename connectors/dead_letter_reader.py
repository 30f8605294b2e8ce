"""The topic of dead letters, read from its beginning to where it ends now.

Knows nothing of what is refused or why; there is no group, and nothing is remembered.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from connectors.dead_letters import Letter, read_letter
from connectors.kafka.cluster import Cluster, unreachable
from connectors.kafka.metadata import require
from connectors.kafka.records import headers_of

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
        """Give them partition by partition as they come; raises ClusterError."""
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
        """Give records until every partition has ended."""
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
        """Tell whether a message is a record to be read; note where a partition ends."""
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
