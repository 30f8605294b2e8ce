"""What is given of the messages that were fetched: turns of a span of time, in order."""

from dataclasses import dataclass
from itertools import count
from typing import Any, cast

from confluent_kafka import KafkaError, Message

from connectors.kafka.consumer import POLL_BYTES, TURN_SPAN, WAITING_BYTES_MAX, WAITING_MAX, Fetched


@dataclass(frozen=True)
class Sent:
    """A message of a topic as the library hands it out; one without a time is an error."""

    number: int
    time: int | None
    at: int = 0
    size: int = 1

    def __len__(self) -> int:
        return self.size

    def topic(self) -> str:
        return "topic"

    def partition(self) -> int:
        return self.at

    def error(self) -> KafkaError | None:
        return KafkaError(KafkaError._PARTITION_EOF) if self.time is None else None  # noqa: SLF001

    def timestamp(self) -> tuple[int, int]:
        return (1, self.time) if self.time is not None else (0, -1)


def sent(*times: int | None, at: int = 0) -> list[Sent]:
    return [Sent(number, time, at) for number, time in zip(count(), times, strict=False)]


def large(*sizes: int, at: int = 0) -> list[Sent]:
    return [Sent(number, 0, at, size) for number, size in enumerate(sizes)]


def filled(*messages: Sent) -> Fetched:
    fetched = Fetched()
    fetched.add(cast("list[Message]", list(messages)))
    return fetched


def turn(fetched: Fetched, *held: str) -> list[Any]:
    """Return the numbers of the messages of a turn, by partition."""
    taken: list[Any] = list(fetched.take(held))
    return [(name, [message.number for message in messages]) for name, messages in taken]


def test_a_turn_is_a_span_of_a_partition_and_the_next_goes_on() -> None:
    fetched = filled(*sent(0, TURN_SPAN, TURN_SPAN + 1, 3 * TURN_SPAN), *sent(5, 6, at=1))
    assert turn(fetched) == [("topic-0", [0, 1]), ("topic-1", [0, 1])]
    assert ("topic-0" in fetched, "topic-1" in fetched) == (True, False)
    assert [turn(fetched), turn(fetched), turn(fetched)] == [
        [("topic-0", [2])],
        [("topic-0", [3])],
        [],
    ]


def test_an_end_has_no_time_and_keeps_its_place() -> None:
    """What an idle partition begins with must not make the records behind it wait."""
    fetched = filled(*sent(None, 7, None, 7 + TURN_SPAN, None, 8 + TURN_SPAN, None))
    assert turn(fetched) == [("topic-0", [0, 1, 2, 3, 4])]
    assert turn(fetched) == [("topic-0", [5, 6])]
    assert turn(filled(*sent(None, None))) == [("topic-0", [0, 1])]


def test_nothing_is_given_of_a_partition_that_is_held() -> None:
    fetched = filled(*sent(0), *sent(0, at=1))
    assert turn(fetched, "topic-0") == [("topic-1", [0])]
    assert turn(fetched) == [("topic-0", [0])]


def test_a_partition_of_which_enough_waits_is_full() -> None:
    fetched = filled(*sent(*range(WAITING_MAX - 1)))
    assert fetched.full() == set()
    fetched.add(cast("list[Message]", sent(2 * TURN_SPAN)))
    assert fetched.full() == {"topic-0"}
    turn(fetched)
    assert fetched.full() == set()


def test_a_full_partition_is_full_until_half_of_it_is_given() -> None:
    half = WAITING_MAX // 2
    fetched = filled(*sent(*[0] * half, 2 * TURN_SPAN, *[4 * TURN_SPAN] * (half - 1)))
    assert fetched.full() == {"topic-0"}
    turn(fetched)
    assert fetched.full() == {"topic-0"}
    turn(fetched)
    assert fetched.full() == set()


def test_a_turn_ends_behind_so_many_bytes_and_the_next_begins_with_who_got_none() -> None:
    third = POLL_BYTES // 3
    fetched = filled(*large(*[third] * 5), *large(third, at=1), *large(1, at=2))
    assert turn(fetched) == [("topic-0", [0, 1, 2]), ("topic-1", [0])]
    assert turn(fetched) == [("topic-2", [0]), ("topic-0", [3, 4])]
    assert turn(fetched) == []


def test_a_message_that_is_larger_than_a_turn_is_given_alone() -> None:
    fetched = filled(*large(POLL_BYTES + 1, 3), *large(POLL_BYTES + 1, at=1))
    assert [turn(fetched), turn(fetched), turn(fetched)] == [
        [("topic-0", [0])],
        [("topic-1", [0])],
        [("topic-0", [1])],
    ]


def test_a_turn_of_exactly_so_many_bytes_is_given_whole() -> None:
    assert turn(filled(*large(POLL_BYTES - 1, 1, 1))) == [("topic-0", [0, 1])]
    assert turn(filled(*large(POLL_BYTES - 1, 2))) == [("topic-0", [0])]


def test_a_partition_of_which_large_messages_wait_is_full_until_half_of_them_are_given() -> None:
    half = WAITING_BYTES_MAX // 2
    fetched = filled(*large(half, half - 1))
    assert fetched.full() == set()
    fetched.add(cast("list[Message]", [Sent(2, 2 * TURN_SPAN, size=half + 1)]))
    assert fetched.full() == {"topic-0"}
    turn(fetched)
    assert fetched.full() == {"topic-0"}
    turn(fetched)
    assert fetched.full() == set()


def test_an_end_that_waits_is_dropped_when_fetching_pauses() -> None:
    fetched = filled(*sent(1, 2, None), *sent(None, at=1))
    for name in ("topic-0", "topic-1", "topic-2"):
        fetched.drop_ends(name)
    assert "topic-1" not in fetched
    assert turn(fetched) == [("topic-0", [0, 1])]
