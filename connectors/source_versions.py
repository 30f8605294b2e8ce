"""The versions of event sources that a continuous run has seen, kept in its state directory.

The folder's event_sources.json says what holds now. What held before is remembered here, because an
event is judged by its source as that was when the event arrived.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry, SourceVersion
from connectors.lasting import write_lasting
from connectors.segments import WAYS_OUT
from connectors.state import StateDir, StateError

FORMAT: Final = 1

Key = tuple[str, str]
Versions = dict[Key, tuple[SourceVersion, ...]]


@dataclass(frozen=True, slots=True)
class Known:
    """All versions that were kept, and the next offset of each partition they were read from."""

    versions: Versions
    read: Mapping[str, int]


def update_registry(
    state: StateDir, current: Registry, now: int, read: Mapping[str, int] | None = None
) -> Registry:
    """Take in what holds from `now` (us) on, and give all versions; what came first always held.

    `read` tells how far the topic was read that says so, if one does. Raises StateError.
    """
    known = load_versions(state)
    versions = current.versions if known is None else dict(_merged(known, current.versions, now))
    kept = Known(versions, read or {})
    if kept != known:
        save_versions(state, kept)
    return replace(current, versions=versions)


def _merged(known: Known, current: Versions, now: int) -> Iterator[tuple[Key, Any]]:
    for key in known.versions | current:
        new = current[key][-1] if key in current else None
        yield key, following(known.versions.get(key, ()), new, now)


def following(
    versions: tuple[SourceVersion, ...], current: SourceVersion | None, now: int
) -> tuple[SourceVersion, ...]:
    """Give the versions of a source that from `now` on is `current`, or deleted."""
    new = None if current is None else replace(current, valid_from=now)
    is_open = bool(versions) and versions[-1].valid_to == END_OF_TIME
    if is_open and new != replace(versions[-1], valid_from=now):
        # A clock that was set back must not make a version end before it began.
        end = max(now, versions[-1].valid_from)
        versions = (*versions[:-1], replace(versions[-1], valid_to=end))
        is_open = False
    if new and not is_open:
        begin = max([now, *(version.valid_to for version in versions)])
        versions = (*versions, replace(new, valid_from=begin))
    return tuple(each for each in versions if each.valid_from < each.valid_to)


def load_versions(state: StateDir) -> Known | None:
    """Read what was kept; None before the first start. Raises StateError."""
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
        read = {str(name): int(offset) for name, offset in tree.get("read", {}).items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
        raise StateError(msg) from error
    return Known(versions, read)


def save_versions(state: StateDir, known: Known) -> None:
    """Keep all versions; raises StateError."""
    entries = [_entry(version) for each in known.versions.values() for version in each]
    document = {"format": FORMAT, "versions": entries, "read": dict(known.read)}
    text = json.dumps(document, indent=2)
    try:
        write_lasting(state.registry_file, [text.encode(), b"\n"])
    except OSError as error:
        msg = f"{state.registry_file} cannot be written: {error.strerror}; make room for it"
        raise StateError(msg) from error


_SETS: Final = ("event_types", "value_currencies")


def _entry(version: SourceVersion) -> dict[str, Any]:
    """Write sets as sorted lists, and the ends of time as null."""
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
