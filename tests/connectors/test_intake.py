"""What a lane may expect of its input, whether it is a folder of files or a cluster of topics."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from connectors.files.intake import TailIntakes
from connectors.intake import Intakes
from connectors.kafka.cluster import Cluster
from connectors.kafka.intake import KafkaIntakes
from tests.support.brokers.topics import IMPATIENT, new_topics, send
from tests.support.intakes import numbers, reading

COUNT = 3
"""Partitions of each stream."""


class Input(Protocol):
    """Something that intakes read, with three partitions of each stream."""

    def intakes(self, lanes: int) -> Intakes:
        """Return the intakes of so many lanes."""

    def name(self, stream: str, number: int) -> str:
        """Return the name of a partition."""

    def append(self, stream: str, number: int, documents: Iterable[bytes]) -> None:
        """Add documents to a partition."""


@dataclass(frozen=True)
class Files:
    folder: Path

    def intakes(self, lanes: int) -> Intakes:
        return TailIntakes(self.folder, lanes, listing_interval=0)

    def name(self, stream: str, number: int) -> str:
        return f"{stream}-{number}.ndjson"

    def append(self, stream: str, number: int, documents: Iterable[bytes]) -> None:
        with (self.folder / self.name(stream, number)).open("ab") as file:
            file.writelines(document + b"\n" for document in documents)


@dataclass(frozen=True)
class Topics:
    servers: str
    topics: dict[str, str]

    def intakes(self, lanes: int) -> Intakes:
        return KafkaIntakes(Cluster(self.servers, IMPATIENT), self.topics, lanes)

    def name(self, stream: str, number: int) -> str:
        return f"{self.topics[stream]}-{number}"

    def append(self, stream: str, number: int, documents: Iterable[bytes]) -> None:
        send(self.servers, self.topics[stream], documents, number)


class Contract:
    """The tests; a class below gives each kind of input, its partitions there and empty."""

    def test_documents_come_with_their_offsets_to_the_end_and_go_on_from_a_position(
        self, given: Input
    ) -> None:
        intakes = given.intakes(1)
        first, second = given.name("events", 0), given.name("events", 1)
        given.append("events", 0, numbers(0, 2500))
        with reading(intakes) as reader:
            reader.to_the_end()
            assert reader.given == {first: list(enumerate(numbers(0, 2500)))}
            assert reader.intake.next_offset(first) == 2500
            assert reader.intake.next_offset(second) == 0
            kept = reader.positions
        given.append("events", 0, [b"more"])
        given.append("events", 1, [b"other"])
        with reading(intakes, kept) as reader:
            reader.to_the_end()
            assert reader.given == {first: [(2500, b"more")], second: [(0, b"other")]}

    def test_a_partition_is_at_its_end_only_until_more_of_it_is_known(self, given: Input) -> None:
        events = given.name("events", 0)
        given.append("events", 0, numbers(0, 10))
        with reading(given.intakes(1)) as reader:
            reader.to_the_end()
            assert reader.counts == {events: 10}
            given.append("events", 0, numbers(10, 20))
            reader.until(lambda: reader.counts == {events: 20})
            reader.to_the_end()
            assert reader.given == {events: list(enumerate(numbers(0, 20)))}

    def test_a_held_partition_waits_and_loses_nothing(self, given: Input) -> None:
        events, impressions = given.name("events", 0), given.name("impressions", 0)
        given.append("events", 0, numbers(0, 3000))
        given.append("impressions", 0, numbers(0, 10))
        with reading(given.intakes(1)) as reader:
            reader.until(lambda: reader.counts.get(impressions) == 10, held=[events])
            assert events not in reader.given
            given.append("impressions", 0, numbers(10, 20))
            reader.until(lambda: reader.counts.get(impressions) == 20, held=[events])
            assert (events in reader.given, reader.intake.is_at_end(events)) == (False, False)
            reader.to_the_end()
            assert reader.given[events] == list(enumerate(numbers(0, 3000)))

    def test_every_partition_is_of_one_lane_which_stays_the_same(self, given: Input) -> None:
        def lanes() -> list[set[str]]:
            found = []
            for lane in range(2):
                with reading(given.intakes(2), lane=lane) as reader:
                    reader.poll()
                    found.append({name for _, name in reader.intake.partitions()})
            return found

        first = lanes()
        streams = ("events", "impressions")
        assert first[0] | first[1] == {
            given.name(stream, number) for stream in streams for number in range(COUNT)
        }
        assert not first[0] & first[1]
        assert lanes() == first

    def test_a_lane_that_is_opened_where_nothing_was_read_begins_there(self, given: Input) -> None:
        """A position of nothing is one: it must not skip what comes afterwards."""
        events = given.name("events", 2)
        with reading(given.intakes(1)) as reader:
            reader.to_the_end()
            kept = reader.positions
        given.append("events", 2, numbers(0, 5))
        with reading(given.intakes(1), kept) as reader:
            reader.until(lambda: reader.counts.get(events) == 5)
            assert reader.given == {events: list(enumerate(numbers(0, 5)))}

    def test_positions_may_be_told_at_any_time(self, given: Input) -> None:
        intakes = given.intakes(1)
        given.append("events", 0, numbers(0, 5))
        with reading(intakes) as reader:
            reader.intake.commit({})
            reader.to_the_end()
            reader.intake.commit(reader.positions)
            reader.intake.commit(reader.positions)
            kept = reader.positions
        intakes.commit(kept)
        with reading(intakes) as reader:  # positions count, not what was told
            reader.to_the_end()
            assert reader.counts == {given.name("events", 0): 5}


class TestFiles(Contract):
    @pytest.fixture
    def given(self, tmp_path: Path) -> Input:
        files = Files(tmp_path)
        for stream in ("events", "impressions"):
            for number in range(COUNT):
                files.append(stream, number, [])
        return files


class TestTopics(Contract):
    @pytest.fixture
    def given(self, bootstrap_servers: str) -> Input:
        return Topics(bootstrap_servers, new_topics(bootstrap_servers, COUNT))
