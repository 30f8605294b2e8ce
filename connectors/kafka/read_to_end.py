"""Reads topics with a separate consumer, from given offsets to a known end.

For commands that read a topic once; nothing is committed. The caller knows the end and stops there;
a broker that is silent for too long counts as unreachable.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from connectors.kafka.cluster import Cluster, unreachable

GATHER_SECONDS: Final = 0.05
"""How long librdkafka waits for a full batch."""

SILENCE_SECONDS_MAX: Final = 30.0
"""How long a broker may be silent before it counts as unreachable."""


@contextmanager
def consuming(cluster: Cluster, group: str) -> Iterator[Consumer]:
    """Open a consumer; `group` is a mere name, which every consumer needs."""
    # librdkafka retries after an error; if that fails, `messages` ends with the silence timeout.
    consumer = cluster.consumer(group, lambda _: None)
    try:
        yield consumer
    finally:
        consumer.close()


def messages(cluster: Cluster, consumer: Consumer, batch: int) -> Iterator[Message]:
    """Yield records, with errors in sequence, reading up to `batch` at once.

    Raises ClusterError after SILENCE_SECONDS_MAX without a message.
    """
    heard = time.monotonic()
    while True:
        found = consumer.consume(batch, GATHER_SECONDS)
        if found:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE_SECONDS_MAX:
            raise unreachable(cluster, KafkaException(KafkaError(KafkaError._TIMED_OUT)))  # noqa: SLF001  the library's spelling
        yield from found


def is_end(message: Message) -> bool:
    """Return whether a message marks the end of its partition."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001  as above
