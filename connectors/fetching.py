"""A consumer that is told where to begin, and asked for what it has fetched."""

from collections.abc import Collection, Iterator
from threading import Thread
from typing import Final

from confluent_kafka import Consumer, Message, TopicPartition

from connectors.fetched import POLL_BYTES, Fetched
from connectors.lane_partitions import LanePartition, LanePartitions

BATCH_MESSAGES: Final = 100
"""Messages taken from the library at once: enough to make the call cheap (a thousand are no cheaper
each), few enough to count the bytes of large ones in time."""

CLOSE_SECONDS_MAX: Final = 5.0
"""How long to wait for the connections to close; with a broker that takes milliseconds."""

RANGE_SECONDS_MAX: Final = 5.0
"""How long to wait to learn which offsets there are, for a message about one that is not."""


class Fetching:
    """Fetches the partitions of a lane."""

    def __init__(self, consumer: Consumer, partitions: LanePartitions) -> None:
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
        """Give what has been fetched, by partition: records, and errors in their places.

        Partitions in `held` are fetched too, until enough of them waits.
        """
        self._pause(self._fetched.full())
        self._fetched.add(self._messages())
        return self._fetched.take(held)

    def has_given_all(self, known: LanePartition) -> bool:
        """Tell whether all has been given that the broker had when it last answered a fetch."""
        if not known.has_ended or known.name in self._fetched:
            return False
        # Comes with each answer; to ask for it apart would be slower, and some brokers make it up.
        _, high = self._consumer.get_watermark_offsets(known.place, cached=True)
        return bool(high <= known.offset)

    def range(self, known: LanePartition) -> tuple[int, int]:
        """Ask for the first offset there is, and the one behind the last; raises KafkaException."""
        low, high = self._consumer.get_watermark_offsets(known.place, timeout=RANGE_SECONDS_MAX)
        return low, high

    def commit(self, places: list[TopicPartition]) -> None:
        """Tell the group's offsets; raises KafkaException."""
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
