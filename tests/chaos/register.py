"""The registry of a campaign as a topic, and what the oracle has to know of it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import duckdb
from confluent_kafka import Producer

from attribution.registry import END_OF_TIME, Registry, SourceVersion
from connectors.kafka.cluster import Cluster
from connectors.kafka.topics import Topic, create_topics
from connectors.registry.reader import REGISTRY_DELAY
from tests.support.brokers.harness import Topics
from tests.support.brokers.topics import WAIT_SECONDS_MAX


class Register:
    """Says all event sources but the last; that one comes and goes while the job runs."""

    def __init__(self, topics: Topics, documents: list[dict[str, Any]]) -> None:
        """Make the topic, and say what has always held."""
        self.topic = topics["event_sources"]
        self._servers = topics.servers
        create_topics(Cluster(self._servers), [Topic(self.topic, 1)], replication=1)
        self._always = Registry.from_documents(documents, allow_unregistered=False)
        self._passing = documents[-1]
        self.changed_at: list[int] = []
        for each in documents[:-1]:
            self._say(each, each, _now())

    @property
    def passing(self) -> tuple[str, str]:
        """Advertiser and id of the source that comes and goes."""
        return self._passing["advertiser_id"], self._passing["event_source_id"]

    def change(self) -> None:
        """Register the source that comes and goes, or delete it."""
        milliseconds = _now()
        is_there = len(self.changed_at) % 2 == 1
        self._say(self._passing, None if is_there else self._passing, milliseconds)
        self.changed_at.append(milliseconds * 1000 + REGISTRY_DELAY)

    def registry(self) -> Registry:
        """Return all versions, by what was said and when alone."""
        versions = {**self._always.versions, self.passing: tuple(self._versions())}
        return replace(self._always, versions=versions)

    def _versions(self) -> Iterator[SourceVersion]:
        (version,) = self._always.versions[self.passing]
        for begin, end in zip_longest(
            self.changed_at[0::2], self.changed_at[1::2], fillvalue=END_OF_TIME
        ):
            yield replace(version, valid_from=begin, valid_to=end)

    def differences(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Hold the versions that a result has against those that were said."""
        found = connection.execute(
            """select epoch_us(valid_from), epoch_us(valid_to) from event_sources
            where advertiser_id = ? and event_source_id = ? order by all""",
            self.passing,
        ).fetchall()
        expected = [
            (each.valid_from, None if each.valid_to == END_OF_TIME else each.valid_to)
            for each in self._versions()
        ]
        return [] if found == expected else [f"event_sources: {found}, expected {expected}"]

    def conversions(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Count the conversions of the source that comes and goes."""
        sql = "select count(*) from conversions where (advertiser_id, event_source_id) = (?, ?)"
        ((count,),) = connection.execute(sql, self.passing).fetchall()
        return int(count)

    def _say(self, named: dict[str, Any], value: dict[str, Any] | None, milliseconds: int) -> None:
        producer = Producer({"bootstrap.servers": self._servers})
        key = f"{named['advertiser_id']}/{named['event_source_id']}"
        text = None if value is None else json.dumps(value)
        producer.produce(self.topic, text, key, timestamp=milliseconds)
        assert producer.flush(WAIT_SECONDS_MAX) == 0


def _now() -> int:
    return time.time_ns() // 1_000_000
