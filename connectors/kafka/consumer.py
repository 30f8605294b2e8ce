"""Fetches the partitions of a lane, and buffers their messages until the lane takes them.

The consumer has no group assignment: the caller sets the offsets to start at. The buffer is bounded
per partition; a partition whose buffer is full is paused.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from threading import Thread
from typing import Final

import numpy as np
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from connectors.kafka.partitions import LaneTopicPartitions, TopicPartitionState
from connectors.kafka.records import name_of

TURN_SPAN: Final = 24 * 3_600_000
"""The span (ms of message timestamps) of one turn of a partition. Without a limit, a small topic
would be returned whole, days ahead of a large one, and its decoded rows would wait in memory."""

POLL_BYTES: Final = 8_000_000
"""Bytes after which a poll ends, over all partitions: one poll is decoded in one query, which can
take no more than 2 GiB."""

WAITING_MAX: Final = 5_000
"""Buffered messages at which a partition is paused. Pausing discards what librdkafka has prefetched
of the partition, so the limit is not lower."""

WAITING_BYTES_MAX: Final = 8_000_000
"""Buffered bytes at which a partition is paused: about the size of WAITING_MAX messages, unless
they are large."""


class Fetched:
    """The buffer: messages fetched but not yet returned, with errors in sequence."""

    def __init__(self) -> None:
        """Start empty."""
        self._waiting: dict[str, list[Message]] = {}
        self._bytes: dict[str, int] = {}
        self._full: set[str] = set()

    def __contains__(self, partition: str) -> bool:
        """Return whether a partition has buffered messages."""
        return partition in self._waiting

    def add(self, messages: Iterable[Message]) -> None:
        """Append messages to the buffers of their partitions."""
        by_place: dict[tuple[str | None, int | None], list[Message]] = defaultdict(list)
        for message in messages:
            by_place[message.topic(), message.partition()].append(message)
        for several in by_place.values():
            name = name_of(several[0])
            self._waiting.setdefault(name, []).extend(several)
            self._bytes[name] = self._bytes.get(name, 0) + _size(several)

    def clear(self) -> None:
        """Discard everything."""
        self._waiting.clear()
        self._bytes.clear()
        self._full.clear()

    def drop_ends(self, name: str) -> None:
        """Drop buffered end-of-partition marks: an end seen before a pause may be outdated."""
        kept = [message for message in self._waiting.pop(name, []) if not _is_end(message)]
        if kept:
            self._waiting[name], self._bytes[name] = kept, _size(kept)

    def full(self) -> set[str]:
        """Return the partitions whose buffer is full, until it is half empty again."""
        self._full = {name for name in self._waiting if self._share(name) >= self._share_max(name)}
        return self._full

    def take(self, held: Collection[str]) -> Iterator[tuple[str, list[Message]]]:
        """Yield one turn of each partition that is not in `held`, until POLL_BYTES are reached.

        Partitions that have more move to the back, so the next call begins with those left out.
        """
        left = POLL_BYTES
        for name in [name for name in self._waiting if name not in held]:
            if left <= 0:
                return
            given, rest = _turn(self._waiting.pop(name), self._bytes.pop(name), left)
            left -= _size(given)
            if rest:
                self._waiting[name], self._bytes[name] = rest, _size(rest)
            yield name, given

    def _share(self, name: str) -> float:
        """Return how full the buffer of a partition is, as a share of its limit."""
        return max(len(self._waiting[name]) / WAITING_MAX, self._bytes[name] / WAITING_BYTES_MAX)

    def _share_max(self, name: str) -> float:
        return 0.5 if name in self._full else 1.0


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001  so spelt


def _turn(messages: list[Message], size: int, size_max: int) -> tuple[list[Message], list[Message]]:
    """Split messages of `size` bytes into one turn, of at least one message, and the rest."""
    cut = _end_of_span(messages)
    if size > size_max:
        sizes = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
        cut = min(cut, max(1, int(np.searchsorted(sizes, size_max, side="right"))))
    return messages[:cut], messages[cut:]


def _end_of_span(messages: list[Message]) -> int:
    """Return the index of the first record more than TURN_SPAN after the first one."""
    records = [at for at, message in enumerate(messages) if not message.error()]
    if not records:
        return len(messages)
    end = _time(messages[records[0]]) + TURN_SPAN
    if _time(messages[records[-1]]) <= end:
        return len(messages)
    return next(at for at in records if _time(messages[at]) > end)


def _size(messages: Iterable[Message]) -> int:
    return sum(map(len, messages))


def _time(message: Message) -> int:
    return message.timestamp()[1]


BATCH_MESSAGES: Final = 100
"""Messages per call of librdkafka: enough to make the call cheap (a thousand are no cheaper each),
few enough to count the bytes of large ones in time."""

CLOSE_SECONDS_MAX: Final = 5.0
"""How long to wait for the consumer to close; with a reachable broker it takes milliseconds."""

RANGE_SECONDS_MAX: Final = 5.0
"""How long to wait for the available offsets, for the error about an offset that is gone."""


class Fetching:
    """Fetches the partitions of a lane."""

    def __init__(self, consumer: Consumer, partitions: LaneTopicPartitions) -> None:
        """Fetch nothing yet; partitions may be added before each call of `begin`."""
        self._consumer = consumer
        self._partitions = partitions
        self._fetched = Fetched()

    def begin(self) -> None:
        """Fetch from each partition's offset; messages buffered until now are fetched again."""
        self._pause(())  # a new assignment would keep the old pauses
        self._fetched.clear()
        for each in self._partitions:
            each.has_ended = False
        self._consumer.assign([each.place for each in self._partitions])

    def poll(self, held: Collection[str]) -> Iterator[tuple[str, list[Message]]]:
        """Return fetched messages by partition: records, with errors in sequence.

        Partitions in `held` are fetched too, until their buffers are full.
        """
        self._pause(self._fetched.full())
        self._fetched.add(self._messages())
        return self._fetched.take(held)

    def has_given_all(self, known: TopicPartitionState) -> bool:
        """Return whether everything up to the last high watermark has been returned."""
        if not known.has_ended or known.name in self._fetched:
            return False
        # Part of each fetch response. A separate request is slower, and some brokers invent it.
        _, high = self._consumer.get_watermark_offsets(known.place, cached=True)
        return bool(high <= known.offset)

    def range(self, known: TopicPartitionState) -> tuple[int, int]:
        """Request the first available offset and the end offset; raises KafkaException."""
        low, high = self._consumer.get_watermark_offsets(known.place, timeout=RANGE_SECONDS_MAX)
        return low, high

    def commit(self, places: list[TopicPartition]) -> None:
        """Commit offsets to the consumer group; raises KafkaException."""
        self._consumer.commit(offsets=places, asynchronous=True)

    def close(self) -> None:
        """Close the consumer.

        Without a broker, librdkafka would wait most of a minute for pending commits. This does not,
        because the next start commits the same offsets again.
        """
        closing = Thread(target=self._consumer.close, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS_MAX)

    def _pause(self, paused: Collection[str]) -> None:
        changed = [each for each in self._partitions if each.is_paused != (each.name in paused)]
        for each in changed:
            each.is_paused = not each.is_paused
            each.has_ended = False  # new records may have arrived meanwhile
            self._fetched.drop_ends(each.name)
        if pause := [each.place for each in changed if each.is_paused]:
            self._consumer.pause(pause)
        if resume := [each.place for each in changed if not each.is_paused]:
            self._consumer.resume(resume)

    def _messages(self) -> Iterator[Message]:
        size, count = 0, BATCH_MESSAGES
        while size < POLL_BYTES and count == BATCH_MESSAGES:
            batch = self._consumer.consume(BATCH_MESSAGES, 0)
            count = len(batch)
            size += sum(map(len, batch))
            yield from batch
