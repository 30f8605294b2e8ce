"""Lists dead letters, and sends them back to their topics once the fault is fixed.

A payload is never shown, because it may contain personal data.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

from connectors.dead_letters.letters import Letter, replayed
from connectors.dead_letters.topic import DeadLetterReader
from connectors.kafka.cluster import Cluster
from connectors.kafka.producer import Outbox
from connectors.positions import partition_name
from flows.kafka.topics import cluster_of
from flows.settings.model import Settings

HEADERS: Final = ("at", "topic", "partition", "offset", "code", "bytes", "message")
"""The columns of the list of dead letters."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A selection of dead letters by partition, codes and offsets.

    Empty means all; `partition` includes the topic, like `adcp.events.v1-3`.
    """

    codes: frozenset[str] = frozenset()
    partition: str | None = None
    offsets: frozenset[int] = frozenset()

    def has(self, letter: Letter) -> bool:
        """Return whether a dead letter is selected."""
        return (
            (not self.codes or letter.code in self.codes)
            and self.partition in (None, partition_name(letter.topic, letter.partition))
            and (not self.offsets or letter.offset in self.offsets)
        )


@dataclass(frozen=True, slots=True)
class Replayable:
    """How many dead letters a selection found, and how many of them can be sent again.

    `incomplete` ones were too large to be stored whole; `foreign` ones are from other topics.
    """

    whole: int = 0
    incomplete: int = 0
    foreign: int = 0


def latest(settings: Settings, selection: Selection, limit: int) -> list[tuple[str, ...]]:
    """Return the latest dead letters, newest first, as rows of `HEADERS`. Raises ClusterError."""
    reader = DeadLetterReader(cluster_of(settings.kafka), settings.kafka.topics.dead_letters)
    # Keep rows, not letters: payloads would accumulate in memory.
    rows = (_row(letter) for letter in reader.read() if selection.has(letter))
    return nlargest(limit, rows)


def _row(letter: Letter) -> tuple[str, ...]:
    size = f"{len(letter.value or b''):,}" if letter.is_whole else "not kept"
    place = (letter.topic, str(letter.partition), str(letter.offset))
    return (letter.at, *place, letter.code, size, letter.message)


class DeadLetterReplay:
    """Sends dead letters back to their topics, in two steps: `look` counts, `send` sends."""

    def __init__(self, settings: Settings, selection: Selection) -> None:
        """Use the cluster and the topics of the settings."""
        self._cluster: Cluster = cluster_of(settings.kafka)
        topics = settings.kafka.topics
        self._ours = frozenset({topics.events, topics.impressions, topics.measurements})
        self._selection = selection
        self._reader = DeadLetterReader(self._cluster, topics.dead_letters)

    def look(self) -> Replayable:
        """Count the selected dead letters; raises ClusterError."""
        found = Counter(self._fate(letter) for letter in self._selected())
        return Replayable(**found)

    def _fate(self, letter: Letter) -> str:
        """Return the field of `Replayable` that counts a dead letter."""
        if letter.topic not in self._ours:
            return "foreign"
        return "whole" if letter.is_whole else "incomplete"

    def send(self) -> int:
        """Send what `look` found, and return the number once Kafka has acknowledged all.

        Dead letters added since `look` are not sent. Raises ClusterError or PublishError.
        """
        outbox, sent = Outbox(self._cluster), 0
        for letter in self._selected():
            if self._fate(letter) == "whole":
                outbox.send([replayed(letter)])
                sent += 1
        outbox.flush()
        return sent

    def _selected(self) -> Iterator[Letter]:
        return filter(self._selection.has, self._reader.read())
