"""The registry as a compacted topic: read whole before the first start, followed from then on.

A version takes effect REGISTRY_DELAY after its message, so that every lane knows of it by then. A
lane that cannot be sure to have heard all that is in effect waits.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pyarrow as pa
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaException, Message

from attribution.frames import START
from attribution.registry import Registry
from connectors.cluster import ANSWER_SECONDS_MAX, LOG, ClusterError, unreachable
from connectors.database import source_rows
from connectors.source_messages import Change, Faulty, read_message
from connectors.source_reader import Ends, SourceReader, SourceTopic
from connectors.source_versions import (
    Key,
    Known,
    Versions,
    following,
    load_versions,
    update_registry,
)
from connectors.state import StateDir

REGISTRY_DELAY: Final = 5_000_000
"""From a message to its effect (us): longer than it takes to be read, even of a topic whose leader
is just being elected."""

LOOK_INTERVAL: Final = 500_000
"""Between two questions whether there is more (us)."""

WAIT_SECONDS: Final = 0.1
"""For the next messages of a topic that is read whole."""


def known_registry(state: StateDir, source: SourceTopic, now: int) -> Registry:
    """Give the versions that a state knows; a state that has not read the topic reads it whole.

    Raises StateError or ClusterError.
    """
    known = load_versions(state)
    if known is not None and known.read:
        return Registry(versions=known.versions)
    current, read = read_whole(source)
    return update_registry(state, current, now, read)


def read_whole(source: SourceTopic) -> tuple[Registry, dict[str, int]]:
    """Read a topic to its present end: the sources there are, for all time, and how far that was.

    Raises ClusterError.
    """
    reader = SourceReader(source, {})
    versions: Versions = {}
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    try:
        ends = reader.ask().offsets()
        while not reader.has_reached(ends):
            if time.monotonic() > deadline:
                msg = f"topic {source.topic} could not be read within {ANSWER_SECONDS_MAX} s"
                raise ClusterError(msg)
            for message in reader.messages(WAIT_SECONDS):
                if (change := _change(source, message, versions)) is not None:
                    versions.pop(change.key, None)
                    versions |= {} if change.version is None else {change.key: (change.version,)}
    except KafkaException as error:
        raise unreachable(source.cluster, error) from error
    finally:
        reader.close()
    return Registry(versions=versions), reader.read


class RegistryTopic:
    """The registry as all lanes of a process follow it."""

    def __init__(self, source: SourceTopic, known: Known, keep: Callable[[Known], None]) -> None:
        """Go on from what is `known`; `keep` is given it anew before anybody judges by it.

        Raises ClusterError.
        """
        self._source = source
        self._keep = keep
        self._reader = SourceReader(source, known.read)
        self._registry = Registry(versions=known.versions)
        self._lock = threading.Lock()
        self._floor = START
        self._read_up_to = START
        self._asked_at = START
        self._ends: Ends | None = None
        self._changed: set[Key] = set()

    def resume(self, received_at: int) -> None:
        """Note that events up to this instant were judged before this start."""
        with self._lock:
            self._floor = max(self._floor, received_at)

    def look(self, now: int) -> bool:
        """Take in what is new; tell whether that is all that is in effect. Never waits for long."""
        with self._lock:
            self._take_in(now)
            self._ask(now)
            return self._read_up_to != START and now - self._read_up_to < REGISTRY_DELAY

    def current(self) -> Registry:
        """Give the registry as it is known now."""
        return self._registry

    def news(self) -> pa.RecordBatch | None:
        """Give rows of table `event_sources` for sources that changed since the last time."""
        with self._lock:
            changed, self._changed = self._changed, set()
            versions = [each for key in sorted(changed) for each in self._registry.versions[key]]
        return source_rows(versions) if versions else None

    def _take_in(self, now: int) -> None:
        messages = self._reader.messages()
        if not messages:
            return
        versions, changed = dict(self._registry.versions), set()
        for message in messages:
            change = _change(self._source, message, versions)
            if change is not None:
                before = versions.get(change.key, ())
                after = following(before, change.version, self._effective(message, now))
                if after != before:
                    versions[change.key] = after
                    changed.add(change.key)
        if changed:
            self._keep(Known(versions, dict(self._reader.read)))
            self._registry = replace(self._registry, versions=versions)
            self._changed |= changed

    def _effective(self, message: Message, now: int) -> int:
        """Tell from when on a message holds: never from before what has been judged."""
        kind, milliseconds = message.timestamp()
        # A clock ahead of ours must not put a version off.
        sent = now if kind == TIMESTAMP_NOT_AVAILABLE else min(milliseconds * 1000, now)
        judged = self._floor if self._read_up_to == START else now
        return max(sent + REGISTRY_DELAY, judged + 1)

    def _ask(self, now: int) -> None:
        """Learn whether there is more, without waiting for the answer."""
        if self._ends is None:
            if now - self._asked_at >= LOOK_INTERVAL:
                self._ends, self._asked_at = self._reader.ask(), now
        elif self._ends.are_known():
            try:
                ends = self._ends.offsets()
            except KafkaException as error:
                self._source.on_error(error.args[0].name())
                self._ends = None
            else:
                if self._reader.has_reached(ends):
                    self._read_up_to, self._ends = self._asked_at, None


def _change(source: SourceTopic, message: Message, known: Versions) -> Change | None:
    """Read a message; one that says nothing of use is told of in the log, by its place."""
    read = read_message(message.key(), message.value(), known)
    if isinstance(read, Faulty):
        place = f"{source.topic}-{message.partition()} offset {message.offset()}"
        LOG.warning("event source at %s is refused, what was known stays: %s", place, read.reason)
        return None
    return read
