"""The metadata of a record: the name of its partition, and its headers."""

from collections.abc import Callable
from operator import methodcaller
from typing import Final

from confluent_kafka import Message

from connectors.intake import Headers
from connectors.positions import partition_name

_HEADERS: Final = methodcaller("headers")
"""Used instead of a direct call, for which the interpreter does not check whether the library
failed: the error would surface anywhere later."""


def headers_of(message: Message, on_unreadable: Callable[[], None]) -> Headers | None:
    """Return the headers of a record; a name that is not UTF-8 makes all of them unreadable.

    For unreadable headers, calls `on_unreadable` and returns None, as for a record without any.
    """
    try:
        headers: Headers | None = _HEADERS(message)
    except SystemError:  # the library returned a value although it failed
        on_unreadable()
        return None
    return headers


def name_of(message: Message) -> str:
    """Return the name of the partition of a message."""
    topic, number = message.topic(), message.partition()
    assert topic is not None
    assert number is not None
    return partition_name(topic, number)
