"""The registry as a compacted topic: read whole at each start, and followed from then on.

A version takes effect REGISTRY_DELAY after its message, so that every lane has it by then, and
never before the saved horizon, up to which lanes may have judged events already. A lane waits while
it may lack versions that are in effect.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pyarrow as pa

from attribution.columnar.frames import START
from attribution.registry import Registry, SourceVersion, following
from connectors.kafka.cluster import ANSWER_SECONDS_MAX, LOG, ClusterError
from connectors.registry.kept import (
    Horizon,
    Key,
    Known,
    TopicOffsets,
    Versions,
    load_horizon,
    load_versions,
    save_horizon,
    save_versions,
    update_registry,
)
from connectors.registry.messages import Change, UnreadableMessage, Words, read_message
from connectors.registry.source import Source, SourceMessage
from connectors.registry.table import source_rows
from connectors.state.directory import StateDir

WAIT_SECONDS: Final = 0.1
"""Poll timeout while the topic is read whole."""


def known_registry(state: StateDir, source: Source, now: int) -> Registry:
    """Return the versions of a state; a state that has not read the topic reads it whole.

    Raises StateError or ClusterError.
    """
    known, horizon = load_versions(state), load_horizon(state)
    if known is not None and known.read.offsets and horizon is not None:
        return Registry(versions=known.versions)
    current, read = read_whole(source)
    # Lanes have judged up to now by a registry file, and up to the saved horizon by a topic.
    up_to = now if horizon is None else max(horizon.up_to, now)
    save_horizon(state, Horizon(up_to, 0 if known is None else known.number))
    return update_registry(state, current, up_to + 1, read)


def read_whole(source: Source) -> tuple[Registry, TopicOffsets]:
    """Read a topic to its end; return its sources, in effect for all time, and the offsets.

    Raises ClusterError.
    """
    versions: Versions = {}
    words = Words()

    def begin() -> None:
        versions.clear()
        words.clear()

    reader = source.reader(begin)
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    try:
        while not reader.has_given_all():
            if time.monotonic() > deadline:
                msg = f"topic {source.topic} could not be read within {ANSWER_SECONDS_MAX} s"
                raise ClusterError(msg)
            if not reader.is_asked:
                reader.ask()
            for message in filter(words.hear, reader.messages(WAIT_SECONDS)):
                if (change := _change(source, message, versions)) is not None:
                    versions.pop(change.key, None)
                    versions |= {} if change.version is None else {change.key: (change.version,)}
    finally:
        reader.close()
    return Registry(versions=versions), reader.read


class RegistryTopic:
    """The registry in the lane that reads the topic and saves it for all other lanes."""

    def __init__(self, source: Source, state: StateDir) -> None:
        """Resume from the versions of a state. Raises ClusterError or StateError."""
        known = load_versions(state) or Known({})
        self._source = source
        self._state = state
        self._registry = Registry(versions=known.versions)
        self._horizon = load_horizon(state) or Horizon(START, known.number)
        self._number = known.number
        self._reader = source.reader(self._begin)
        self._asked_at = START
        self._news: set[Key] = set()
        self._words = Words()
        self._taken_in: Mapping[str, int] = {}
        self._begin()
        if known.read.topic_id == self._reader.read.topic_id:
            self._taken_in = known.read.offsets

    def look(self, now: int) -> bool:
        """Read new messages; return whether the registry is complete. Never blocks for long."""
        for message in self._reader.messages():
            self._hear(message, now)
        if self._reader.has_given_all():
            self._settle(now)
        if not self._reader.is_asked and abs(now - self._asked_at) >= self._source.look_interval:
            self._reader.ask()
            self._asked_at = now
        return now <= self._horizon.up_to

    def current(self) -> Registry:
        """Return the registry as of the last save."""
        return self._registry

    def news(self) -> pa.RecordBatch | None:
        """Return rows of table `event_sources` for sources that changed since the last time."""
        changed, self._news = self._news, set()
        versions = [each for key in sorted(changed) for each in self._registry.versions[key]]
        return source_rows(versions) if versions else None

    def close(self) -> None:
        """Close the consumer."""
        self._reader.close()

    def _begin(self) -> None:
        """Prepare to read from the beginning; nothing takes effect before the end is reached."""
        self._versions = dict(self._registry.versions)
        self._words.clear()
        self._taken_in = {}
        self._is_whole = False

    def _hear(self, message: SourceMessage, now: int) -> None:
        is_last_word = self._words.hear(message)
        is_new = message.offset >= self._taken_in.get(str(message.partition), 0)
        if is_last_word and is_new:
            change = _change(self._source, message, self._versions)
            if change is not None:
                self._change(
                    change.key, change.version, _said_at(message, now) + self._source.delay
                )

    def _change(self, key: Key, version: SourceVersion | None, at: int) -> None:
        """Let a version take effect at an instant, or after the horizon if that is later.

        Its rows in the result replace earlier rows of the source, so at least one version remains.
        """
        told = self._registry.versions.get(key, ())
        instants = [at, self._horizon.up_to + 1, *(each.valid_from + 1 for each in told[:1])]
        self._versions[key] = following(self._versions.get(key, ()), version, max(instants))

    def _settle(self, now: int) -> None:
        """Save the versions, and the horizon: a delay after the end was requested."""
        if not self._is_whole:
            for key in [each for each in self._versions if not self._words.tell_of(each)]:
                self._change(key, None, now)  # its deletion may be compacted away
            self._is_whole = True
        before = self._registry.versions
        changed = {key for key, each in self._versions.items() if each != before.get(key, ())}
        if changed:
            self._number += 1
            self._registry = replace(self._registry, versions=dict(self._versions))
            save_versions(self._state, Known(dict(self._versions), self._reader.read, self._number))
            self._news |= changed
        up_to = max(self._horizon.up_to, self._asked_at + self._source.delay - 1)
        self._horizon = Horizon(up_to, self._number)
        save_horizon(self._state, self._horizon)


def _said_at(message: SourceMessage, now: int) -> int:
    """Return when a message was sent, at most `now`: a clock ahead must not delay a version."""
    return now if message.written_at is None else min(message.written_at, now)


def _change(source: Source, message: SourceMessage, known: Versions) -> Change | None:
    """Read a message; an invalid one is ignored, and its offset is logged."""
    read = read_message(message, known)
    if isinstance(read, UnreadableMessage):
        place = f"{source.topic}-{message.partition} offset {message.offset}"
        LOG.warning("event source at %s is refused, what was known stays: %s", place, read.reason)
        return None
    return read
