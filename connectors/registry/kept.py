"""Event source versions and their horizon, kept in the state directory.

No lane evaluates an event beyond the saved horizon.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from attribution.registry import Registry, SourceVersion, following
from connectors.state.directory import StateDir
from connectors.state.documents import load, save

Key = tuple[str, str]
Versions = dict[Key, tuple[SourceVersion, ...]]


@dataclass(frozen=True, slots=True)
class TopicOffsets:
    """The next offset of each partition of a topic. A recreated topic has another id."""

    topic_id: str = ""
    offsets: Mapping[str, int] = field(default_factory=dict)


NOTHING_READ: Final = TopicOffsets()


@dataclass(frozen=True, slots=True)
class Known:
    """All saved versions, the offsets they were read up to, and how often they were saved."""

    versions: Versions
    read: TopicOffsets = NOTHING_READ
    number: int = 1


def update_registry(
    state: StateDir, current: Registry, now: int, read: TopicOffsets = NOTHING_READ
) -> Registry:
    """Save the sources in effect from `now` (us) on, and return all versions.

    On the first call, they count as in effect for all time. `read` holds the offsets of the
    registry topic, if there is one. Raises StateError.
    """
    known = load_versions(state)
    versions = current.versions if known is None else dict(_merged(known, current.versions, now))
    if known is None or (known.versions, known.read) != (versions, read):
        save_versions(state, Known(versions, read, 1 if known is None else known.number + 1))
    return replace(current, versions=versions)


def _merged(known: Known, current: Versions, now: int) -> Iterator[tuple[Key, Any]]:
    for key in known.versions | current:
        new = current[key][-1] if key in current else None
        yield key, following(known.versions.get(key, ()), new, now)


class _Saved(msgspec.Struct, frozen=True):
    """`Known` as it is stored; a version names its source itself."""

    number: int
    read: TopicOffsets
    versions: list[SourceVersion]


def load_versions(state: StateDir) -> Known | None:
    """Read the saved versions; None before the first start. Raises StateError."""
    saved = load(state.registry_file, _Saved)
    if saved is None:
        return None
    versions: Versions = {}
    for version in saved.versions:
        key = (version.advertiser_id, version.event_source_id)
        versions[key] = (*versions.get(key, ()), version)
    return Known(versions, saved.read, saved.number)


def save_versions(state: StateDir, known: Known) -> None:
    """Save all versions; raises StateError."""
    versions = [version for each in known.versions.values() for version in each]
    save(state.registry_file, _Saved(known.number, known.read, versions))


@dataclass(frozen=True, slots=True)
class Horizon:
    """The time (us) up to which the versions are complete, and the `number` of their save."""

    up_to: int
    number: int


def load_horizon(state: StateDir) -> Horizon | None:
    """Read the horizon; None if no topic was followed. Raises StateError."""
    return load(state.horizon_file, Horizon)


def save_horizon(state: StateDir, horizon: Horizon) -> None:
    """Save the horizon of the versions saved before; raises StateError."""
    save(state.horizon_file, horizon)
