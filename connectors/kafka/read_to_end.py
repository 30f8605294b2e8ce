"""Topics read by a consumer of its own, from given offsets to a known end.

For commands that look at a topic once; nothing is committed. The caller knows where the end is and
stops there; a broker that says nothing for too long counts as out of reach.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message

from connectors.kafka.cluster import Cluster, ignore, unreachable

GATHER_SECONDS: Final = 0.05
"""How long the library waits for a batch to be full."""

SILENCE_SECONDS_MAX: Final = 30.0
"""How long a broker may say nothing at all before it counts as out of reach."""


@contextmanager
def consuming(cluster: Cluster, group: str) -> Iterator[Consumer]:
    """Open a consumer; `group` is only a name, because a consumer has to have one."""
    # librdkafka goes on trying after an error; if it gets nowhere, silence tells.
    consumer = cluster.consumer(group, lambda error: ignore(error.name()))
    try:
        yield consumer
    finally:
        consumer.close()


def messages(cluster: Cluster, consumer: Consumer, batch: int) -> Iterator[Message]:
    """Yield records, and errors in their places, up to `batch` taken from the library at once.

    Raises ClusterError after too long a silence.
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
    """Return whether a message only says that its partition ends there."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001  as above
