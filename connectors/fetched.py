"""Messages that were fetched and wait for their turn, by partition.

The library hands out what it has of any partition; a lane takes of each only so much time at once.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from confluent_kafka import Message

TURN_SPAN: Final = 24 * 3_600_000
"""How much time (ms of message timestamps) a partition gives in one turn: a small topic would be
given whole at once, days ahead of a large one, and have to wait for it decoded."""

WAITING_MAX: Final = 5_000
"""Messages of a partition that may wait before no more of it are fetched: on pausing a partition
the library throws away what it has of it, so that is not done for less."""


class Fetched:
    """What was fetched and not yet given, errors in their places."""

    def __init__(self) -> None:
        """Start without any."""
        self._waiting: dict[str, list[Message]] = {}
        self._full: set[str] = set()

    def __contains__(self, partition: str) -> bool:
        """Tell whether anything of a partition waits."""
        return partition in self._waiting

    def add(self, messages: Iterable[Message]) -> None:
        """Let messages wait behind those of their partitions."""
        by_place: dict[tuple[str | None, int | None], list[Message]] = defaultdict(list)
        for message in messages:
            by_place[message.topic(), message.partition()].append(message)
        for several in by_place.values():
            self._waiting.setdefault(name_of(several[0]), []).extend(several)

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._full.clear()

    def full(self) -> set[str]:
        """Name the partitions of which enough waits, until half of that is given."""
        self._full = {
            name
            for name, waiting in self._waiting.items()
            if len(waiting) >= (WAITING_MAX // 2 if name in self._full else WAITING_MAX)
        }
        return self._full

    def take(self, held: Collection[str]) -> Iterator[tuple[str, list[Message]]]:
        """Give a turn to each partition that is not in `held`."""
        for name in [name for name in self._waiting if name not in held]:
            given, rest = _turn(self._waiting.pop(name))
            if rest:
                self._waiting[name] = rest
            yield name, given


def name_of(message: Message) -> str:
    """Name the partition of a message, as places do."""
    return f"{message.topic()}-{message.partition()}"


def _turn(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """Cut messages before the first record that leaves the span of the first one."""
    records = [at for at, message in enumerate(messages) if not message.error()]
    if not records:
        return messages, []
    end = _time(messages[records[0]]) + TURN_SPAN
    if _time(messages[records[-1]]) <= end:
        return messages, []
    cut = next(at for at in records if _time(messages[at]) > end)
    return messages[:cut], messages[cut:]


def _time(message: Message) -> int:
    return message.timestamp()[1]
