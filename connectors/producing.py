"""Records on their way into Kafka: sent without waiting, and all of them safe after a flush.

What Kafka does not take is never dropped in silence: the next flush, or the next record, raises.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from attribution.contract.document import MAX_DOCUMENT_BYTES
from connectors.cluster import Cluster
from connectors.intake import Headers

PUBLISH_SECONDS_MAX: Final = 60.0
"""How long a record may take to be safe: longer than a leader is elected or a broker restarted."""

RECORD_BYTES_MAX: Final = MAX_DOCUMENT_BYTES + 1024 * 1024
"""The largest record: a document of the largest size with key and headers."""

ROOM_SECONDS: Final = 0.1
"""Between two looks for room, while as much waits to be sent as may."""

ANY_PARTITION: Final = -1
"""The one that the key decides on."""


class PublishError(Exception):
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

    def __init__(self, cluster: Cluster) -> None:
        """Connect in the background; raises ClusterError for options that do not exist."""
        self._servers = cluster.bootstrap_servers
        self._producer: Producer = cluster.producer(
            record_bytes_max=RECORD_BYTES_MAX, seconds_max=PUBLISH_SECONDS_MAX
        )
        self._failed: dict[str, KafkaError] = {}

    def send(self, records: Sequence[Outgoing]) -> None:
        """Let records go, in their order; raises PublishError when nothing leaves any more."""
        for record in records:
            self._send(record)
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until all is safe; raises PublishError when it is not after PUBLISH_SECONDS_MAX."""
        left = self._producer.flush(PUBLISH_SECONDS_MAX)
        self._check()
        if left:
            msg = (
                f"Kafka at {self._servers} has not taken {left} records in "
                f"{PUBLISH_SECONDS_MAX:.0f} s; check that it runs, then start again"
            )
            raise PublishError(msg)

    def _send(self, record: Outgoing) -> None:
        deadline = time.monotonic() + PUBLISH_SECONDS_MAX
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
                if time.monotonic() > deadline:
                    self._failed.setdefault(record.topic, KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001  the library's spelling
                    self._check()
                self._producer.poll(ROOM_SECONDS)
            except KafkaException as error:
                self._failed.setdefault(record.topic, error.args[0])
                self._check()
            else:
                return

    def _note(self, error: KafkaError | None, message: Message) -> None:
        """Remember the first failure of each topic; called from within `poll` and `flush`."""
        if error is not None:
            self._failed.setdefault(str(message.topic()), error)

    def _check(self) -> None:
        for topic, error in self._failed.items():
            msg = (
                f"topic {topic} at {self._servers} does not take records: {error.str()}. Check "
                "that the topic is as it should be (tributary topics check), that it may be "
                "written to, and that Kafka runs; then start again"
            )
            raise PublishError(msg)
