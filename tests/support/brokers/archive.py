"""A copy of topics that is kept while their records expire: what the oracle reads."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.support.brokers.harness import Topics
from tests.support.brokers.topics import everything

Place = tuple[str, int]
"""A stream, and the number of a partition."""


class Archive:
    """All records that the raw streams ever had, as far as they were fetched."""

    def __init__(self, topics: Topics) -> None:
        """Begin without any; nothing may expire before it was fetched."""
        self._topics = topics
        self._values: dict[Place, list[bytes]] = {}
        self._unread: dict[Place, set[int]] = {}

    def fetch(self) -> None:
        """Copy what has come since the last time."""
        for stream, count in self._topics.partitions.items():
            begin = {at: self.end((stream, at)) for at in range(count)}
            topic = self._topics[stream]
            for message in everything(self._topics.servers, topic, range(count), begin):
                number = message.partition()
                assert number is not None
                values = self._values.setdefault((stream, number), [])
                assert message.offset() == len(values), "a record has expired, or come twice"
                values.append(message.value() or b"")

    def end(self, place: Place) -> int:
        """Return the offset behind the last record that was fetched of a partition."""
        return len(self._values.get(place, ()))

    def never_read(self, place: Place, first: int, beyond: int) -> None:
        """Note that nobody will read some records: they expired before."""
        self._unread.setdefault(place, set()).update(range(first, beyond))

    def value(self, place: Place, offset: int) -> bytes:
        """Return a record as it was; without a value it is empty."""
        return self._values[place][offset]

    def records(self) -> int:
        """Count what was there to be read."""
        return sum(map(len, self._values.values())) - self.unread()

    def lost(self) -> dict[str, bytes]:
        """Return the records that nobody will read, by partition and offset."""
        return {
            f"{self._topics[stream]}-{number}/{offset}": self.value((stream, number), offset)
            for (stream, number), offsets in self._unread.items()
            for offset in offsets
        }

    def unread(self) -> int:
        """Count what nobody will read."""
        return sum(map(len, self._unread.values()))

    def dump(self, folder: Path) -> Path:
        """Put what was read, or will be, into a folder, as the oracle reads it."""
        for stream, number in self._values:
            (folder / stream).mkdir(exist_ok=True)
            path = folder / stream / f"{self._topics[stream]}-{number}.messages"
            path.write_bytes(msgspec.msgpack.encode(list(self._read((stream, number)))))
        return folder

    def _read(self, place: Place) -> Iterator[tuple[int, bytes]]:
        unread = self._unread.get(place, set())
        for offset, value in enumerate(self._values[place]):
            if offset not in unread:
                yield offset, value
