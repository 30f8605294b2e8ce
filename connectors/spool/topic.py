"""Accepted calls in a topic of Kafka: answered once all in-sync replicas have them.

A large call is split into records that share its key, because a broker that was not set up for
Tributary takes records of up to 1 MB.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from attribution.contract.split import split_events
from connectors import metrics
from connectors.kafka.cluster import Cluster
from connectors.kafka.metadata import require
from connectors.kafka.producer import RECORD_BYTES_MAX
from connectors.spool.store import Receipt, StoreFullError
from connectors.spool.writer import stamped

PART_BYTES: Final = 900_000
"""A call beyond this is split, unless it holds a single event."""

QUEUE_BYTES_MAX: Final = 120 << 20
"""Of records that are not acknowledged; beyond it a call is refused for now."""

DELIVERY_MS: Final = 10_000
"""How long a record may take; then its call is refused for now, and is to be sent again."""

POLL_SECONDS: Final = 0.1


class TopicStore:
    """Keeps the documents of one stream in a topic."""

    def __init__(self, cluster: Cluster, stream: str, topic: str) -> None:
        """Connect; raises ClusterError where the topic does not exist."""
        require(cluster, topic)
        self._stream, self._topic = stream, topic
        self._producer: Producer = cluster.producer(
            RECORD_BYTES_MAX,
            lambda error: metrics.kafka_error(error.name()),
            timeout_ms=DELIVERY_MS,
        )
        self._lock = Lock()
        self._stamp = self._waiting_bytes = 0
        self._is_closing = False
        self._thread = Thread(target=self._poll, name=f"produce {topic}", daemon=True)
        self._thread.start()

    def append(self, document: bytes, key: str) -> "Future[Receipt]":
        """Send one JSON object; the result is there when all its parts are acknowledged.

        It is the receipt of the first part. Raises StoreFullError where too much waits.
        """
        call = _Call(self._stream, Future())
        with self._lock:
            self._stamp = max(self._stamp, time.time_ns() // 1_000)
            records = [stamped(part, self._stamp).rstrip(b"\n") for part in _parts(document)]
            size = sum(map(len, records))
            if self._waiting_bytes + size > QUEUE_BYTES_MAX:
                raise StoreFullError
            self._waiting_bytes += size
            call.begin(len(records), self._stamp)
            for record in records:
                self._send(record, key.encode(), call)
        return call.receipt

    def probe(self) -> "Future[Receipt]":
        """Ask the cluster for the topic, in a thread."""
        asked: Future[Receipt] = Future()

        def ask() -> None:
            try:
                self._producer.list_topics(self._topic, DELIVERY_MS / 1_000)
            except KafkaException as error:
                asked.set_exception(OSError(str(error)))
            else:
                asked.set_result(Receipt(self._stream, self._topic, 0, 0))

        Thread(target=ask, name="probe", daemon=True).start()
        return asked

    def has_room(self) -> bool:
        """Return whether the queue takes more."""
        return self._waiting_bytes < QUEUE_BYTES_MAX

    def close(self) -> None:
        """Wait for what is not acknowledged, and end."""
        self._producer.flush(DELIVERY_MS / 1_000)
        self._is_closing = True
        self._thread.join()

    def _send(self, record: bytes, key: bytes, call: "_Call") -> None:
        size = len(record)

        def delivered(error: KafkaError | None, message: Message) -> None:
            with self._lock:
                self._waiting_bytes -= size
            call.delivered(error, message)

        try:
            self._producer.produce(self._topic, record, key, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            self._waiting_bytes -= size
            call.fail(str(error))

    def _poll(self) -> None:
        while not self._is_closing:
            self._producer.poll(POLL_SECONDS)


class _Call:
    """The records of one call; its receipt is there with the last of their reports."""

    def __init__(self, stream: str, receipt: "Future[Receipt]") -> None:
        self._stream, self.receipt = stream, receipt
        self._first: Receipt | None = None
        self._open = self._stamp = 0

    def begin(self, records: int, stamp: int) -> None:
        """Expect so many reports."""
        self._open, self._stamp = records, stamp

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take the report of one record."""
        if error is not None:
            self.fail(error.str())
            return
        place = f"{message.topic()}-{message.partition()}"
        here = Receipt(self._stream, place, message.offset() or 0, self._stamp)
        if self._first is None or here.offset < self._first.offset:
            self._first = here
        self._open -= 1
        if self._open == 0 and not self.receipt.done():
            self.receipt.set_result(self._first)

    def fail(self, reason: str) -> None:
        """Refuse the call; records that did arrive make duplicates when it is sent again."""
        if not self.receipt.done():
            self.receipt.set_exception(OSError(reason))


def _parts(document: bytes) -> Iterator[bytes]:
    """Yield a document, or documents with some of its events each."""
    split = split_events(document) if len(document) > PART_BYTES else None
    if split is None:
        yield document
        return
    part: list[bytes] = []
    size = frame = len(split.before) + len(split.after) + 2
    for event in split.events:
        if part and size + len(event) + 1 > PART_BYTES:
            yield split.with_events(part)
            part, size = [], frame
        part.append(event)
        size += len(event) + 1
    yield split.with_events(part)
