"""Looks a state directory over before a start, and puts in order what a crash has left.

The caller holds the lock. Everything is checked before anything is changed.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from attribution.policy import Policy
from connectors.manifests import Manifest, SegmentError, files_of
from connectors.recovery import RecoveryError
from connectors.segment_files import absent, faults, unnamed
from connectors.segments import WAYS_OUT
from connectors.state import Facts, StateDir, StateError

KEYED_STEPS: Final = ("dedup", "count", "match", "credit")
"""The steps whose snapshots are (version, step, numbers, manifest)."""

WRITER: Final = "write"
"""The step whose snapshot is the number of its last commit."""

SNAPSHOT: Final = 1
"""Version of the keyed steps' snapshots."""

AHEAD_MAX: Final = 1
"""Commits the database may be ahead of a store that is empty: the engine commits after the sink."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A state that can be started: where it goes on, and what had to be cleared away."""

    resume_epoch: int
    seq: int
    uncommitted: int
    swept: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a run would go on with; None where the state's own is as good as any."""

    policy: Policy
    key_groups: int | None
    lanes: int | None
    allow_unregistered: bool
    steps: tuple[str, ...]


def check_facts(state: StateDir, facts: Facts, wanted: Wanted) -> None:
    """Hold what a run wants against what the state was made with.

    Raises StateError, which lists what differs: old -> new.
    """
    old, new = _settings(facts), _settings(wanted)
    told = ", ".join(
        f"{name} {old.get(name, 'unset')} -> {new.get(name, 'unset')}"
        for name in old | new
        if old.get(name) != new.get(name) and not (name in _OPTIONAL and name not in new)
    )
    if told:
        msg = (
            f"{state.path} was made with other settings: {told}; set them back, or begin anew with "
            "an empty --state and a new --db"
        )
        raise StateError(msg)


_OPTIONAL: Final = {"flow.key_groups", "flow.lanes"}


def _settings(of: Facts | Wanted) -> dict[str, str]:
    """Give everything that has to stay the same, by the names that people know."""
    tree = {
        "policy": of.policy.model_dump(mode="json", exclude_none=True),
        "flow": {"key_groups": of.key_groups, "lanes": of.lanes},
        "--allow-unregistered": "yes" if of.allow_unregistered else "no",
        "steps": list(of.steps),
    }
    return dict(_flat(tree))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            text = ",".join(value) if isinstance(value, list) else str(value)
            yield f"{prefix}{name}", text


def preflight(state: StateDir, facts: Facts, database_seq: int | None) -> Ready:
    """Check that the state can go on and the database with it, then scrub and sweep.

    `database_seq` is the last commit in the database; None where there is no file. Raises
    StateError.
    """
    for fault in problems(state, facts, database_seq):
        raise StateError(fault)
    try:
        scrubbed = state.recovery.scrub()
        named = {file for manifest in manifests(state) for file in files_of(manifest)}
        stale = unnamed(state.segments, named)
        for path in stale:
            path.unlink()
        return Ready(
            state.recovery.resume_epoch(), resumed_seq(state), scrubbed.uncommitted, len(stale)
        )
    except (OSError, RecoveryError) as error:
        msg = f"{state.path} cannot be put in order: {error}; {WAYS_OUT}"
        raise StateError(msg) from error


def problems(
    state: StateDir, facts: Facts, database_seq: int | None, *, thoroughly: bool = False
) -> Iterator[str]:
    """Say what keeps the state from going on, a sentence each; `thoroughly` reads every byte."""
    try:
        if found := list(_store_problems(state, facts)):
            yield from found
            return
        yield from _database_problems(state, database_seq)
        for manifest in manifests(state):
            yield from (faults if thoroughly else absent)(state.segments, manifest)
    except (RecoveryError, SegmentError) as error:
        yield f"{error}; {WAYS_OUT}"


def manifests(state: StateDir) -> Iterator[Manifest]:
    """Go over the manifests of all key groups that would be resumed."""
    for step in KEYED_STEPS:
        for snapshot in state.recovery.snapshots(step).values():
            yield snapshot[-1]


def resumed_seq(state: StateDir) -> int:
    """Give the number of the last commit that the state belongs to; 0 before the first."""
    return max(state.recovery.snapshots(WRITER).values(), default=0)


def _store_problems(state: StateDir, facts: Facts) -> Iterator[str]:
    for folder in (state.path, state.recovery.folder, state.segments.folder):
        if not folder.is_dir():
            yield f"{folder} is missing; {WAYS_OUT}"
            return
        if not os.access(folder, os.W_OK | os.X_OK):
            yield f"{folder} cannot be written; let the user of this process write there"
    if not state.recovery.is_complete():
        yield f"{state.recovery.folder} is not the complete recovery store of the state; {WAYS_OUT}"
        return
    if strange := sorted(state.recovery.steps().keys() - set(facts.steps)):
        yield f"{state.path} holds state of a step {strange[0]}, which does not exist; {WAYS_OUT}"
    for step in KEYED_STEPS:
        for snapshot in state.recovery.snapshots(step).values():
            if snapshot[:2] != (SNAPSHOT, step):
                yield (
                    f"{state.path} holds a snapshot {snapshot[:2]}, expected {(SNAPSHOT, step)}; "
                    f"start the tributary that saved it"
                )
                return


def _database_problems(state: StateDir, database_seq: int | None) -> Iterator[str]:
    resumed, found = resumed_seq(state), database_seq or 0
    if found < resumed:
        yield (
            f"the database ends at commit {found}, but {state.path} goes on after commit "
            f"{resumed}: it was deleted, or is an older copy; {WAYS_OUT}"
        )
    elif resumed == 0 and found > AHEAD_MAX:
        yield (
            f"the database has {found} commits of this state, but {state.path} holds nothing to go "
            f"on from: its recovery store is not the one that was used; {WAYS_OUT}"
        )
