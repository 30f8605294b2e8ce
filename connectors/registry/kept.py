"""Event source versions and their horizon, kept in the state directory.

No lane evaluates an event beyond the saved horizon.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry, SourceVersion, following
from connectors.durable import write_lasting
from connectors.state.directory import StateDir
from connectors.state.errors import WAYS_OUT, StateError

FORMAT: Final = 1

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


def load_versions(state: StateDir) -> Known | None:
    """Read the saved versions; None before the first start. Raises StateError."""
    path = state.registry_file
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_bytes())
        versions: Versions = {}
        for entry in tree["versions"]:
            version = _version(entry)
            key = (version.advertiser_id, version.event_source_id)
            versions[key] = (*versions.get(key, ()), version)
        offsets = {str(name): int(offset) for name, offset in tree.get("read", {}).items()}
        read = TopicOffsets(str(tree.get("topic_id", "")), offsets)
        number = int(tree.get("number", 0))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
        raise StateError(msg) from error
    return Known(versions, read, number)


def save_versions(state: StateDir, known: Known) -> None:
    """Save all versions; raises StateError."""
    entries = [_entry(version) for each in known.versions.values() for version in each]
    document = {
        "format": FORMAT,
        "number": known.number,
        "topic_id": known.read.topic_id,
        "read": dict(known.read.offsets),
        "versions": entries,
    }
    text = json.dumps(document, indent=2)
    try:
        write_lasting(state.registry_file, [text.encode(), b"\n"])
    except OSError as error:
        msg = f"{state.registry_file} cannot be written: {error.strerror}; make room for it"
        raise StateError(msg) from error


_SETS: Final = ("event_types", "value_currencies")


def _entry(version: SourceVersion) -> dict[str, Any]:
    """Return a version as JSON: sets as sorted lists, the ends of time as null."""
    entry = asdict(version)
    for name in _SETS:
        entry[name] = None if entry[name] is None else sorted(entry[name])
    if version.valid_from == BEGINNING_OF_TIME:
        entry["valid_from"] = None
    if version.valid_to == END_OF_TIME:
        entry["valid_to"] = None
    return entry


def _version(entry: dict[str, Any]) -> SourceVersion:
    fields = dict(entry)
    for name in _SETS:
        fields[name] = None if fields[name] is None else frozenset(fields[name])
    fields["allowed_domains"] = tuple(fields["allowed_domains"])
    if fields["valid_from"] is None:
        fields["valid_from"] = BEGINNING_OF_TIME
    if fields["valid_to"] is None:
        fields["valid_to"] = END_OF_TIME
    return SourceVersion(**fields)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The time (us) up to which the versions are complete, and the `number` of their save."""

    up_to: int
    number: int


def load_horizon(state: StateDir) -> Horizon | None:
    """Read the horizon; None if no topic was followed. Raises StateError."""
    path = state.horizon_file
    if not path.exists():
        return None
    try:
        tree = json.loads(path.read_bytes())
        return Horizon(int(tree["up_to"]), int(tree["number"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
        raise StateError(msg) from error


def save_horizon(state: StateDir, horizon: Horizon) -> None:
    """Save the horizon of the versions saved before; raises StateError."""
    try:
        write_lasting(state.horizon_file, [json.dumps(asdict(horizon)).encode(), b"\n"])
    except OSError as error:
        msg = f"{state.horizon_file} cannot be written: {error.strerror}; make room for it"
        raise StateError(msg) from error
