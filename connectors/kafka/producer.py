"""Records on their way into Kafka: sent without waiting, and all of them safe after a flush.

What Kafka does not take is never dropped in silence: the next flush, or the next record, raises.
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
"""How long a command waits for a cluster: longer than a leader is elected or a broker restarted."""

LOOK_SECONDS: Final = 0.5
"""Between two looks whether to go on waiting, while nothing is taken."""

RECORD_BYTES_MAX: Final = MAX_DOCUMENT_BYTES + 1024 * 1024
"""The largest record: a document of the largest size with key and headers."""

ANY_PARTITION: Final = -1
"""The one that the key decides on."""

Patience = Callable[[float], bool]
"""Is told for how many seconds nothing was taken; tells whether to go on waiting."""


def for_a_while(waited: float) -> bool:
    """Wait as long as a person at a command would."""
    return waited < PUBLISH_SECONDS_MAX


class PublishError(OperatorError):
    """Kafka did not take records; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to send; without a `partition` its key decides."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int = ANY_PARTITION


class Outbox:
    """Sends records; knows of each, after a flush, that it is safe."""

    def __init__(self, cluster: Cluster, waits: Patience = for_a_while) -> None:
        """Connect in the background; raises ClusterError for options that do not exist."""
        self._servers = cluster.bootstrap_servers
        self._waits = waits
        self._producer: Producer = cluster.producer(RECORD_BYTES_MAX, _count)
        self._failed: dict[str, KafkaError] = {}
        self._taken_at = time.monotonic()

    def send(self, records: Sequence[Outgoing]) -> None:
        """Let records go, in their order; waits while as much is under way as may be.

        Raises PublishError when Kafka refuses some, OutageError when the patience is at its end.
        """
        for record in records:
            self._send(record)
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until all is safe; raises PublishError or OutageError, as `send` does."""
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
        """Distinguish slow, refused and unanswered records."""
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
    """Count what goes wrong on the way; the library tries again."""
    metrics.kafka_error(error.name())
