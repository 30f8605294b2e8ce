"""Those who query the database of a job while it writes, as its writer sees them."""

from typing import Final, Protocol


class Readers(Protocol):
    """Queries beside the writer: they share the memory of its process."""

    def make_room(self) -> None:
        """End queries that take so much memory that a commit may find none; return once it is free.

        A commit that fails for want of memory leaves a database that cannot go on.
        """

    def end_all(self) -> None:
        """End all queries, and return once they have ended."""


class _NoReaders:
    def make_room(self) -> None:
        """Do nothing."""

    def end_all(self) -> None:
        """Do nothing."""


NO_READERS: Final[Readers] = _NoReaders()
