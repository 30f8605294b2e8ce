"""Where accepted calls are kept before they are answered: what a folder and a cluster share."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol


class StoreFullError(Exception):
    """Nothing more can be kept now: try again later."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a document lies: its stream, a file or partition, the line or offset from 0.

    `received_at` is its stamp (us).
    """

    stream: str
    partition: str
    offset: int
    received_at: int

    def __str__(self) -> str:
        """Return it as senders get it."""
        return f"{self.stream}/{self.partition}@{self.offset}"


class Store(Protocol):
    """Keeps the documents of one stream."""

    def append(self, document: bytes, key: str) -> "Future[Receipt]":
        """Take one JSON object on one line; the result is there when it is durable.

        Documents of equal `key` keep their order. Raises StoreFullError where nothing is taken now;
        the future raises OSError where it cannot be kept.
        """
        ...

    def probe(self) -> "Future[Receipt]":
        """Return a result that is there as soon as documents can be kept."""
        ...

    def has_room(self) -> bool:
        """Return whether more can be kept."""
        ...

    def close(self) -> None:
        """Keep what waits, and end."""
        ...
