"""What a record carries beside its value: the name of its partition, and its headers."""

from collections.abc import Callable
from operator import methodcaller
from typing import Final

from confluent_kafka import Message

from connectors.intake import Headers
from connectors.positions import partition_name

_HEADERS: Final = methodcaller("headers")
"""Not a call of our own: the interpreter would leave out to look whether the library failed, and
its error would come up anywhere later."""


def headers_of(message: Message, on_unreadable: Callable[[], None]) -> Headers | None:
    """Return the headers of a record; a name that is not UTF-8 makes all of them unreadable.

    A record with headers that cannot be read counts as one without, and `on_unreadable` is told.
    """
    try:
        headers: Headers | None = _HEADERS(message)
    except SystemError:  # the library returns, and has failed
        on_unreadable()
        return None
    return headers


def name_of(message: Message) -> str:
    """Return the name of the partition of a message."""
    topic, number = message.topic(), message.partition()
    assert topic is not None
    assert number is not None
    return partition_name(topic, number)
