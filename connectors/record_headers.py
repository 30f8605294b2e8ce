"""The headers of a record: whoever wrote it may have put anything there."""

from collections.abc import Callable

from confluent_kafka import Message

from connectors.intake import Headers


def headers_of(message: Message, on_unreadable: Callable[[], None]) -> Headers | None:
    """Give the headers of a record; a name that is not UTF-8 makes all of them unreadable.

    A record with headers that cannot be read counts as one without, and `on_unreadable` is told.
    """
    try:
        headers: Headers | None = message.headers()  # type: ignore[assignment]  # ours are pairs
    except (SystemError, UnicodeDecodeError):  # what the library lets out, by its version
        on_unreadable()
        return None
    return headers
