"""Checks a state directory before a start, and cleans up what a crash has left.

The caller holds the lock. Everything is checked before anything is changed.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.database.resuming import RESUME_BEHIND_MAX
from connectors.preflight.input_log import InputIdentity, keep_log, kept_log, other_log
from connectors.preflight.resume import Resumable
from connectors.registry.kept import load_versions
from connectors.state.directory import StateDir
from connectors.state.errors import WAYS_OUT, StateError
from connectors.state.facts import StateFacts
from connectors.state.segments import absent, faults, unnamed


@dataclass(frozen=True, slots=True)
class Ready:
    """A state that can be started: where it resumes, and what was cleaned up."""

    resume_epoch: int
    seq: int
    uncommitted: int
    swept: int


def check_facts(
    state: StateDir, facts: StateFacts, wanted: StateFacts, *, unset: Collection[str] = ()
) -> None:
    """Compare the requested settings with those that the state was created with.

    Those named in `unset`, such as `flow.lanes`, are not requested: the state has its own. Raises
    StateError, which lists the differences: old -> new.
    """
    old, new = _settings(facts), _settings(wanted)
    told = ", ".join(
        f"{name} {old.get(name, 'unset')} -> {new.get(name, 'unset')}"
        for name in old | new
        if old.get(name) != new.get(name) and name not in unset
    )
    if told:
        msg = (
            f"{state.path} was made with other settings: {told}; set them back, or begin anew with "
            "an empty --state and a new --db"
        )
        raise StateError(msg)


def _settings(of: StateFacts) -> dict[str, str]:
    """Return all settings that must not change, by their public names."""
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


def preflight(
    state: StateDir, facts: StateFacts, database_seq: int | None, log: InputIdentity | None = None
) -> Ready:
    """Check that the state and the database can be resumed, then delete uncommitted data.

    `database_seq` is the last commit in the database; None if there is no file. `log` is the input
    of the run; None if it needs no check. Raises StateError.
    """
    resumed = resumable(state, facts)
    for fault in _problems(state, resumed, database_seq or 0):
        raise StateError(fault)
    for fault in [] if log is None else other_log(state, resumed, log):
        raise StateError(fault)
    try:
        if log is not None:
            keep_log(state, log)
        return _put_in_order(state, resumed)
    except OSError as error:
        msg = f"{state.path} cannot be put in order: {error}; mend that, and start again"
        raise StateError(msg) from error


def _put_in_order(state: StateDir, resumed: Resumable) -> Ready:
    scrubbed = state.recovery.scrub()
    named = {file for manifest in resumed.manifests() for file in manifest.files}
    stale = unnamed(state.segments, named)
    for path in stale:
        path.unlink()
    return Ready(resumed.epoch, resumed.seq, scrubbed.uncommitted, len(stale))


def problems(
    state: StateDir, facts: StateFacts, database_seq: int | None, *, thoroughly: bool = False
) -> Iterator[str]:
    """Yield a sentence for each reason not to resume the state; `thoroughly` reads every byte."""
    try:
        found, resumed = _read(state, facts)
        yield from found
        if resumed is not None:
            yield from _problems(state, resumed, database_seq or 0, thoroughly=thoroughly)
    except StateError as error:
        yield str(error)


def resumable(state: StateDir, facts: StateFacts) -> Resumable:
    """Return what a start would resume; raises StateError unless it is complete."""
    found, resumed = _read(state, facts)
    if resumed is None:
        raise StateError(found[0])
    return resumed


def _read(state: StateDir, facts: StateFacts) -> tuple[list[str], Resumable | None]:
    """Read the store once: what is wrong with it, or what a start would resume."""
    if found := list(_store_problems(state)):
        return found, None
    resumed = Resumable.read(state.recovery)
    found = [f"{state.path} {problem}" for problem in resumed.problems(facts)]
    return found, None if found else resumed


def _problems(
    state: StateDir, resumed: Resumable, database_seq: int, *, thoroughly: bool = False
) -> Iterator[str]:
    yield from _database_problems(state, resumed.seq, database_seq)
    for manifest in resumed.manifests():
        yield from (faults if thoroughly else absent)(state.segments, manifest)


def _store_problems(state: StateDir) -> Iterator[str]:
    """Yield what is wrong with the files of a state, batches excepted; raises StateError."""
    if found := list(_out_of_reach(state)):
        yield from found
    elif not state.recovery.is_complete():
        yield f"{state.recovery.folder} is not the complete recovery store of the state; {WAYS_OUT}"
    else:
        state.recovery.check()
        yield from _halves(state)


def _out_of_reach(state: StateDir) -> Iterator[str]:
    """Yield the files that are missing or not writable; SQLite's own error would not name them."""
    for folder in (state.path, state.recovery.folder, state.segments.folder):
        if not folder.is_dir():
            yield f"{folder} is missing; {WAYS_OUT}"
            return
    for folder in (state.path, state.recovery.folder, state.segments.folder):
        if not os.access(folder, os.W_OK | os.X_OK):
            yield f"{folder} cannot be written; let the user of this process write there"
    files = [*state.recovery.files(), state.alignment_file]
    for file in filter(os.path.exists, files):
        if not os.access(file, os.R_OK | os.W_OK):
            yield f"{file} cannot be written; let the user of this process write there"


def _halves(state: StateDir) -> Iterator[str]:
    """Yield the missing parts of a state that has run."""
    if not state.recovery.is_consistent():
        yield (
            f"{state.recovery.folder} holds snapshots, but not how far they were committed; "
            f"{WAYS_OUT}"
        )
    if state.recovery.has_run():
        beside = {state.registry_file: load_versions(state), state.log_file: kept_log(state)}
        for path in [path for path, content in beside.items() if content is None]:
            yield f"{path} is missing, but the state has been used; {WAYS_OUT}"


def _database_problems(state: StateDir, resumed: int, found: int) -> Iterator[str]:
    if found < resumed:
        yield (
            f"the database ends at commit {found}, but {state.path} goes on after commit "
            f"{resumed}: it was deleted, or is an older copy; {WAYS_OUT}"
        )
    elif found > resumed + RESUME_BEHIND_MAX:
        yield (
            f"the database ends at commit {found}, but {state.path} goes on after commit "
            f"{resumed}: its recovery store was emptied, or is an older copy; {WAYS_OUT}"
        )
