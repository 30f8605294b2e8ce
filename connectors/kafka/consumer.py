"""Fetches the partitions of a lane, and buffers messages until it is their turn.

The consumer has no group assignment: it is given the offsets to start at. The buffer is bounded per
partition; a full partition is paused.
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
"""How much time (ms of message timestamps) a partition gives in one turn: a small topic would be
given whole at once, days ahead of a large one, and have to wait for it decoded."""

POLL_BYTES: Final = 8_000_000
"""Bytes after which a poll ends, for all partitions together: what is given at once is decoded in
one query, which can take no more than 2 GiB."""

WAITING_MAX: Final = 5_000
"""Messages of a partition that may wait before no more of it are fetched: on pausing a partition
the library throws away what it has of it, so that is not done for less."""

WAITING_BYTES_MAX: Final = 8_000_000
"""Bytes of a partition that may wait before no more of it are fetched: about what the messages
above come to, unless they are large."""


class Fetched:
    """What was fetched and not yet given, errors in their places."""

    def __init__(self) -> None:
        """Start without any."""
        self._waiting: dict[str, list[Message]] = {}
        self._bytes: dict[str, int] = {}
        self._full: set[str] = set()

    def __contains__(self, partition: str) -> bool:
        """Return whether anything of a partition waits."""
        return partition in self._waiting

    def add(self, messages: Iterable[Message]) -> None:
        """Let messages wait behind those of their partitions."""
        by_place: dict[tuple[str | None, int | None], list[Message]] = defaultdict(list)
        for message in messages:
            by_place[message.topic(), message.partition()].append(message)
        for several in by_place.values():
            name = name_of(several[0])
            self._waiting.setdefault(name, []).extend(several)
            self._bytes[name] = self._bytes.get(name, 0) + _size(several)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._bytes.clear()
        self._full.clear()

    def drop_ends(self, name: str) -> None:
        """Drop the end marks that wait: what was the end when fetching paused need not be later."""
        kept = [message for message in self._waiting.pop(name, []) if not _is_end(message)]
        if kept:
            self._waiting[name], self._bytes[name] = kept, _size(kept)

    def full(self) -> set[str]:
        """Name the partitions of which enough waits, until half of that is given."""
        self._full = {name for name in self._waiting if self._share(name) >= self._share_max(name)}
        return self._full

    def take(self, held: Collection[str]) -> Iterator[tuple[str, list[Message]]]:
        """Yield a turn to each partition that is not in `held`, until POLL_BYTES are given.

        The next turn begins with those that got none, for what has more moves behind them.
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
    """Cut messages of `size` bytes behind those that a turn gives: at least one."""
    cut = _end_of_span(messages)
    if size > size_max:
        sizes = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
        cut = min(cut, max(1, int(np.searchsorted(sizes, size_max, side="right"))))
    return messages[:cut], messages[cut:]


def _end_of_span(messages: list[Message]) -> int:
    """Find the first record that leaves the span of the first one."""
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
"""Messages taken from the library at once: enough to make the call cheap (a thousand are no cheaper
each), few enough to count the bytes of large ones in time."""

CLOSE_SECONDS_MAX: Final = 5.0
"""How long to wait for the connections to close; with a broker that takes milliseconds."""

RANGE_SECONDS_MAX: Final = 5.0
"""How long to wait to learn which offsets there are, for a message about one that is not."""


class Fetching:
    """Fetches the partitions of a lane."""

    def __init__(self, consumer: Consumer, partitions: LaneTopicPartitions) -> None:
        """Fetch nothing yet; partitions may be added until `begin`, and before each next one."""
        self._consumer = consumer
        self._partitions = partitions
        self._fetched = Fetched()

    def begin(self) -> None:
        """Fetch from where each partition goes on; what was fetched and not given comes again."""
        self._pause(())  # the library would go on pausing what it was told to pause before
        self._fetched.clear()
        for each in self._partitions:
            each.has_ended = False
        self._consumer.assign([each.place for each in self._partitions])

    def poll(self, held: Collection[str]) -> Iterator[tuple[str, list[Message]]]:
        """Return what has been fetched, by partition: records, and errors in their places.

        Partitions in `held` are fetched too, until enough of them waits.
        """
        self._pause(self._fetched.full())
        self._fetched.add(self._messages())
        return self._fetched.take(held)

    def has_given_all(self, known: TopicPartitionState) -> bool:
        """Return whether all has been given that the broker had when it last answered a fetch."""
        if not known.has_ended or known.name in self._fetched:
            return False
        # Comes with each answer; to ask for it apart would be slower, and some brokers make it up.
        _, high = self._consumer.get_watermark_offsets(known.place, cached=True)
        return bool(high <= known.offset)

    def range(self, known: TopicPartitionState) -> tuple[int, int]:
        """Ask for the first offset there is, and the one behind the last; raises KafkaException."""
        low, high = self._consumer.get_watermark_offsets(known.place, timeout=RANGE_SECONDS_MAX)
        return low, high

    def commit(self, places: list[TopicPartition]) -> None:
        """Commit offsets to the consumer group; raises KafkaException."""
        self._consumer.commit(offsets=places, asynchronous=True)

    def close(self) -> None:
        """Let go of the connections.

        Without a broker the library waits for what it was told to commit, for most of a minute; the
        next start tells the group again, so there is no use in that.
        """
        closing = Thread(target=self._consumer.close, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS_MAX)

    def _pause(self, paused: Collection[str]) -> None:
        changed = [each for each in self._partitions if each.is_paused != (each.name in paused)]
        for each in changed:
            each.is_paused = not each.is_paused
            each.has_ended = False  # what came meanwhile is not known yet
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
