"""Sends records to Kafka without waiting; a flush waits until all of them are acknowledged.

A record that Kafka refuses is never dropped silently: the next flush or send raises an error.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from attribution.contract.document import MAX_DOCUMENT_BYTES
from connectors import metrics
from connectors.errors import OperatorError
from connectors.intake import Headers
from connectors.kafka.cluster import Cluster, OutageError

PUBLISH_SECONDS_MAX: Final = 60.0
"""How long a command waits for a cluster: longer than a leader election or a broker's restart."""

LOOK_SECONDS: Final = 0.5
"""Interval at which a blocked producer checks whether to go on waiting."""

RECORD_BYTES_MAX: Final = MAX_DOCUMENT_BYTES + 1024 * 1024
"""Size of the largest record: a document of the largest size with key and headers."""

ANY_PARTITION: Final = -1
"""The partition is chosen by the hash of the key."""

Patience = Callable[[float], bool]
"""Takes the seconds since the last acknowledged record; returns whether to go on waiting."""


def for_a_while(waited: float) -> bool:
    """Go on waiting for up to PUBLISH_SECONDS_MAX."""
    return waited < PUBLISH_SECONDS_MAX


class PublishError(OperatorError):
    """Kafka refused records; the message says of which topic and what to do."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send; without a `partition`, the key chooses one."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int = ANY_PARTITION


class Outbox:
    """Sends records; after a flush, all of them are acknowledged."""

    def __init__(self, cluster: Cluster, waits: Patience = for_a_while) -> None:
        """Connect in the background; raises ClusterError for options that do not exist."""
        self._servers = cluster.bootstrap_servers
        self._waits = waits
        self._producer: Producer = cluster.producer(RECORD_BYTES_MAX, _count)
        self._failed: dict[str, KafkaError] = {}
        self._taken_at = time.monotonic()

    def send(self, records: Sequence[Outgoing]) -> None:
        """Send records, in order; blocks while the send queue is full.

        Raises PublishError when Kafka refuses a record, OutageError when `waits` gives up.
        """
        for record in records:
            self._send(record)
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until all are acknowledged; raises PublishError or OutageError, as `send` does."""
        self._taken_at = time.monotonic()
        while self._producer.flush(LOOK_SECONDS):
            self._look()
        self._check()

    def _send(self, record: Outgoing) -> None:
        self._taken_at = time.monotonic()
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=self._note,
                    headers=list(record.headers),
                )
            except BufferError:
                self._producer.poll(LOOK_SECONDS)
                self._look()
            except KafkaException as error:
                self._failed.setdefault(record.topic, error.args[0])
                self._check()
            else:
                return

    def _look(self) -> None:
        """Raise an error if records were refused, or if `waits` gives up."""
        self._check()
        waited = time.monotonic() - self._taken_at
        if not self._waits(waited):
            msg = (
                f"Kafka at {self._servers} has not taken {len(self._producer)} records in "
                f"{waited:.0f} s; check that it runs, then start again"
            )
            raise OutageError(msg)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        """Remember the first failure of each topic; called from within `poll` and `flush`."""
        if error is None:
            self._taken_at = time.monotonic()
        else:
            self._failed.setdefault(str(message.topic()), error)

    def _check(self) -> None:
        for topic, error in self._failed.items():
            msg = (
                f"topic {topic} at {self._servers} does not take records: {error.str()}. Check "
                "that the topic is as it should be (tributary topics check), that it may be "
                "written to, and that Kafka runs; then start again"
            )
            raise PublishError(msg)


def _count(error: KafkaError) -> None:
    """Count an error that librdkafka retries."""
    metrics.kafka_error(error.name())
