"""Broker liveness. An end of partition is trusted only while the broker has responded recently.

A broker that hangs keeps its connections, and librdkafka notices nothing until a request times out.
Its statistics show it earlier.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from connectors.positions import partition_name

SILENT_SECONDS: Final = 1.0
"""How long after a broker's last response an end of partition is trusted. An idle broker responds
every `fetch.wait.max.ms`, and the next statistics report shows it."""


class _Broker(msgspec.Struct, gc=False):
    """`rxidle` and `txidle` are microseconds since the last response and the last request."""

    nodeid: int
    source: str
    rxidle: int
    txidle: int
    waitresp_cnt: int


class _Partition(msgspec.Struct, gc=False):
    broker: int


class _Topic(msgspec.Struct, gc=False):
    partitions: dict[str, _Partition]


class _Statistics(msgspec.Struct, gc=False):
    brokers: dict[str, _Broker]
    topics: dict[str, _Topic]


_STATISTICS: Final = msgspec.json.Decoder(_Statistics)


class BrokerLiveness:
    """When the brokers of partitions last responded."""

    def __init__(self, on_silence: Callable[[], None]) -> None:
        """Start without brokers; `on_silence` is called once when a broker stops responding."""
        self._on_silence = on_silence
        self._broker_of: dict[str, int] = {}
        self._answered_at: dict[str, float] = {}
        self._silent: set[int] = set()

    def are_recent(self, partition: str) -> bool:
        """Return whether the broker of a partition has responded within SILENT_SECONDS."""
        answered_at = self._answered_at.get(partition, float("-inf"))
        return time.monotonic() - answered_at < SILENT_SECONDS

    def note(self, partition: str) -> None:
        """Record that the broker has responded about a partition."""
        self._answered_at[partition] = time.monotonic()

    def report(self, statistics: str) -> None:
        """Process a statistics report of librdkafka."""
        told = _STATISTICS.decode(statistics)
        now = time.monotonic()
        # The group's coordinator is listed a second time, with its own connection.
        brokers = [each for each in told.brokers.values() if each.source != "logical"]
        answered_at = {each.nodeid: now - each.rxidle / 1e6 for each in brokers if each.rxidle >= 0}
        before, self._broker_of = self._broker_of, _broker_of(told)
        for name, broker in self._broker_of.items():
            # A new broker's earlier responses were about other partitions, not about this one.
            if before.get(name, broker) == broker:
                self._answered_at[name] = answered_at.get(broker, float("-inf"))
        self._look_for_silence(brokers)

    def _look_for_silence(self, brokers: list[_Broker]) -> None:
        owing = {each.nodeid for each in brokers if _owes_answer(each)}
        for _ in owing - self._silent:
            self._on_silence()
        quiet = {each.nodeid for each in brokers if each.rxidle > SILENT_SECONDS * 1e6}
        self._silent = owing | (self._silent & quiet)


def _broker_of(told: _Statistics) -> dict[str, int]:
    """Return the broker of each partition; partitions without one are omitted."""
    return {
        partition_name(topic, int(number)): each.broker
        for topic, its in told.topics.items()
        for number, each in its.partitions.items()
        if each.broker >= 0
    }


def _owes_answer(broker: _Broker) -> bool:
    is_waited_for = broker.waitresp_cnt > 0
    return is_waited_for and min(broker.rxidle, broker.txidle) > SILENT_SECONDS * 1e6
