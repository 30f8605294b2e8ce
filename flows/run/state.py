"""Operations of the commands on a state directory: open it for a run, check, scrub, show."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from attribution.columnar.frames import END, START
from attribution.contract.times import UNIX_EPOCH
from connectors.database.ownership import check_place, database_seq, open_live
from connectors.preflight.input_log import InputIdentity
from connectors.preflight.preflight import (
    Ready,
    check_facts,
    preflight,
    problems,
    resumable,
)
from connectors.preflight.resume import Resumable
from connectors.state.directory import StateDir
from connectors.state.errors import RecoveryError, StateError
from connectors.state.facts import StateFacts
from connectors.state.manifests import StepState
from connectors.state.recovery import Scrubbed
from flows.run.job import RunOptions
from flows.settings.load import Loaded
from flows.settings.model import DEFAULT
from flows.text import instant, text_table

STEPS: Final = ("read", "dedup", "count", "match", "credit", "write", "publish", "set_aside")
"""The steps of the flow that have snapshots; renaming one would lose its state. The last two are in
the flow only if they have a topic to send to, which may change between starts."""


@dataclass(frozen=True, slots=True)
class OpenState:
    """A state directory that this process has locked and checked.

    `lock` is the file descriptor of the lock, for child processes to inherit.
    """

    state: StateDir
    facts: StateFacts
    ready: Ready
    is_new: bool
    lock: int


@contextmanager
def open_state(job: RunOptions, log: InputIdentity, now: int) -> Iterator[OpenState]:
    """Lock the state of a run, create it if there is none, and prepare it and the database.

    `log` is the input of the run. Raises StateError, or DatabaseError if the database belongs to
    another state.
    """
    check_place(job.database)
    state = StateDir(job.state)
    had_folder = state.path.exists()
    with state.lock() as lock:
        wanted = _facts(job.settings, now, allow_unregistered=job.allow_unregistered)
        is_new = state.is_new()
        with _nothing_left(state, job.database, is_new=is_new, had_folder=had_folder):
            if is_new:
                state.create(wanted)
            facts = state.read()
            check_facts(state, facts, wanted, unset=_unset_sizes(job.settings))
            ready = preflight(state, facts, database_seq(job.database, facts.state_id), log)
            if not job.database.exists():  # now, while an obstacle can still refuse the start
                open_live(job.database, facts.state_id).close()
            yield OpenState(state, facts, ready, is_new, lock)


@contextmanager
def _nothing_left(
    state: StateDir, database: Path | None = None, *, is_new: bool, had_folder: bool
) -> Iterator[None]:
    """Remove a new state and its new result if the start fails.

    The caller holds the lock.
    """
    had_database = database is not None and database.exists()
    try:
        yield
    except Exception:
        if is_new and not _has_run(state):
            state.discard(with_folder=not had_folder)
            if database is not None and not had_database:
                database.unlink(missing_ok=True)
        raise


def _has_run(state: StateDir) -> bool:
    try:
        return state.recovery.has_run()
    except RecoveryError:
        return True


def init_state(path: Path, loaded: Loaded, *, allow_unregistered: bool, now: int) -> StateFacts:
    """Create a state; raises StateError if there is one already."""
    state = StateDir(path)
    had_folder = path.exists()
    with state.lock():
        if not state.is_new():
            msg = f"{path} holds a state already; name another directory"
            raise StateError(msg)
        with _nothing_left(state, is_new=True, had_folder=had_folder):
            state.create(_facts(loaded, now, allow_unregistered=allow_unregistered))
            return state.read()


def check_state(path: Path, database: Path | None) -> list[str]:
    """Read every byte of a state; return the faults of the state and of its database."""
    with _existing(path) as (state, facts):
        seq = resumed_seq_of(state) if database is None else database_seq(database, facts.state_id)
        return list(problems(state, facts, seq, thoroughly=True))


def scrub_state(path: Path) -> Scrubbed:
    """Remove uncommitted epochs from the engine's recovery store, as every start does.

    Raises StateError if a start would; the database is not checked.
    """
    with _existing(path) as (state, facts):
        for fault in problems(state, facts, resumed_seq_of(state)):
            raise StateError(fault)
        return state.recovery.scrub()


def show_state(path: Path) -> Iterator[str]:
    """Yield lines on the settings, progress and size of a state."""
    with _existing(path) as (state, facts):
        resumed = resumable(state, facts)
        yield from _about(facts, resumed)
        yield ""
        yield text_table(_SIZES, [_size(step, groups) for step, groups in resumed.groups.items()])
        if rows := sorted(_partitions(resumed)):
            yield ""
            yield text_table(["stream", "partition", "next offset", "watermark"], rows)


def resumed_seq_of(state: StateDir) -> int:
    """Return the number of a state's last commit; 0 if its recovery store cannot be read."""
    try:
        return Resumable.read(state.recovery).seq
    except RecoveryError:
        return 0


def sized_for(loaded: Loaded, workers: int) -> Loaded:
    """Return settings with one lane and key group per worker, unless their numbers are set.

    Only for a new state; an existing one keeps its sizes.
    """
    sizes = dict.fromkeys((name.removeprefix("flow.") for name in _unset_sizes(loaded)), workers)
    flow = loaded.settings.flow.model_copy(update=sizes)
    return replace(loaded, settings=loaded.settings.model_copy(update={"flow": flow}))


@contextmanager
def _existing(path: Path) -> Iterator[tuple[StateDir, StateFacts]]:
    """Lock an existing state; never create one."""
    state = StateDir(path)
    facts = state.read()
    with state.lock():
        yield state, facts


def _unset_sizes(loaded: Loaded) -> set[str]:
    """Return the sizes that are not set explicitly, as every state has its own."""
    return {name for name in ("flow.lanes", "flow.key_groups") if loaded.origins[name] == DEFAULT}


def _facts(loaded: Loaded, now: int, *, allow_unregistered: bool) -> StateFacts:
    return StateFacts(
        policy=loaded.settings.policy,
        key_groups=loaded.settings.flow.key_groups,
        lanes=loaded.settings.flow.lanes,
        allow_unregistered=allow_unregistered,
        steps=STEPS,
        created_at=now,
    )


def _about(facts: StateFacts, resumed: Resumable) -> Iterator[str]:
    yield f"state {facts.state_id} of tributary {facts.version}"
    yield f"  made         {_instant(facts.created_at)}"
    yield f"  policy       {facts.fingerprint[:12]}"
    yield f"  key groups   {facts.key_groups}"
    yield f"  lanes        {facts.lanes}"
    yield f"  next epoch   {resumed.epoch}"
    yield f"  last commit  {resumed.seq}"


_SIZES: Final = ("step", "groups", "rows", "bytes in manifests", "bytes in files")


def _size(step: str, groups: Collection[StepState]) -> list[str]:
    manifests = [group.manifest for group in groups]
    parts = [part for manifest in manifests for part in manifest.parts]
    inline = sum(manifest.inline_bytes for manifest in manifests)
    stored = sum(part.length for part in parts) - inline
    rows = sum(part.rows for part in parts)
    return [step, *(f"{number:,}" for number in (len(manifests), rows, inline, stored))]


def _partitions(resumed: Resumable) -> Iterator[list[str]]:
    for name, each in resumed.partitions().items():
        offset = f"{max(each.position.next_offset, 0):,}"
        yield [each.stream, name, offset, _instant(each.watermark)]


def _instant(microseconds: int) -> str:
    """Format a time of the job; `START` and `END` are no dates."""
    if microseconds in (START, END):
        return "none yet"
    return instant(UNIX_EPOCH + timedelta(microseconds=microseconds))
