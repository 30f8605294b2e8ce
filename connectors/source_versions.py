"""The versions of event sources that a continuous run has seen, kept in its state directory.

The folder's event_sources.json says what holds now. What held before is remembered here, because an
event is judged by its source as that was when the event arrived.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final

from attribution.registry import BEGINNING_OF_TIME, END_OF_TIME, Registry, SourceVersion
from connectors.lasting import write_lasting
from connectors.segments import WAYS_OUT
from connectors.state import StateDir, StateError

FORMAT: Final = 1

Key = tuple[str, str]
Versions = dict[Key, tuple[SourceVersion, ...]]


def update_registry(state: StateDir, current: Registry, now: int) -> Registry:
    """Take in what holds from `now` (us) on, and give all versions; what came first always held.

    Raises StateError.
    """
    known = _load(state)
    versions = current.versions if known is None else dict(_merged(known, current.versions, now))
    if versions != known:
        _save(state, versions)
    return replace(current, versions=versions)


def _merged(known: Versions, current: Versions, now: int) -> Iterator[tuple[Key, Any]]:
    for key in known | current:
        versions = known.get(key, ())
        new = replace(current[key][-1], valid_from=now) if key in current else None
        is_open = bool(versions) and versions[-1].valid_to == END_OF_TIME
        if is_open and new != replace(versions[-1], valid_from=now):
            # A clock that was set back must not make a version end before it began.
            end = max(now, versions[-1].valid_from)
            versions = (*versions[:-1], replace(versions[-1], valid_to=end))
            is_open = False
        if new and not is_open:
            begin = max([now, *(version.valid_to for version in versions)])
            versions = (*versions, replace(new, valid_from=begin))
        yield key, tuple(each for each in versions if each.valid_from < each.valid_to)


def _load(state: StateDir) -> Versions | None:
    """Read what was kept; None before the first start."""
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
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
        raise StateError(msg) from error
    return versions


def _save(state: StateDir, versions: Versions) -> None:
    entries = [_entry(version) for each in versions.values() for version in each]
    text = json.dumps({"format": FORMAT, "versions": entries}, indent=2)
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
