"""The state directory as the commands use it: opened for a run, checked, put in order, shown."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from attribution.columnar.frames import END, START
from connectors.database.ownership import check_place, database_seq, open_live
from connectors.preflight.input_log import InputIdentity
from connectors.preflight.preflight import (
    Ready,
    RequestedConfig,
    check_facts,
    preflight,
    problems,
    store_problems,
)
from connectors.preflight.resume import Resumable
from connectors.state.directory import StateDir
from connectors.state.errors import RecoveryError, StateError
from connectors.state.facts import UNIX_EPOCH, StateFacts
from connectors.state.manifests import StepState
from connectors.state.recovery import Scrubbed
from flows.run.job import RunOptions
from flows.settings.load import Loaded
from flows.settings.model import DEFAULT
from flows.text import instant, text_table

STEPS: Final = ("read", "dedup", "count", "match", "credit", "write", "publish", "set_aside")
"""The steps of the flow that keep something; renaming one would lose what it kept. The last two are
in the flow only when there is where to send to, which may change."""


@dataclass(frozen=True, slots=True)
class OpenState:
    """A state directory that is this process's to go on with.

    `lock` is the handle of the lock, for children to inherit.
    """

    state: StateDir
    facts: StateFacts
    ready: Ready
    is_new: bool
    lock: int


@contextmanager
def open_state(job: RunOptions, log: InputIdentity, now: int) -> Iterator[OpenState]:
    """Lock the state of a run, make it if there is none, and get it and the database ready.

    `log` is what it is to read. Raises StateError, or DatabaseError when the database is not this
    state's.
    """
    check_place(job.database)
    state = StateDir(job.state)
    had_folder = state.path.exists()
    with state.lock() as lock:
        wanted = _wanted(job.settings, allow_unregistered=job.allow_unregistered)
        is_new = state.is_new()
        with _nothing_left(state, job.database, is_new=is_new, had_folder=had_folder):
            if is_new:
                state.create(_facts(job.settings, wanted, now))
            facts = state.read()
            check_facts(state, facts, wanted)
            ready = preflight(state, facts, database_seq(job.database, facts.state_id), log)
            if not job.database.exists():  # while what is in its way can still be refused
                open_live(job.database, facts.state_id).close()
            yield OpenState(state, facts, ready, is_new, lock)


@contextmanager
def _nothing_left(
    state: StateDir, database: Path | None = None, *, is_new: bool, had_folder: bool
) -> Iterator[None]:
    """Take back a new state, and its new result, where the start is refused after all.

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
    """Make a state; raises StateError where there is one already."""
    state = StateDir(path)
    had_folder = path.exists()
    with state.lock():
        if not state.is_new():
            msg = f"{path} holds a state already; name another directory"
            raise StateError(msg)
        with _nothing_left(state, is_new=True, had_folder=had_folder):
            wanted = _wanted(loaded, allow_unregistered=allow_unregistered)
            state.create(_facts(loaded, wanted, now))
            return state.read()


def check_state(path: Path, database: Path | None) -> list[str]:
    """Read every byte of a state; say what is wrong with it, or with the database beside it."""
    with _existing(path) as (state, facts):
        seq = resumed_seq_of(state) if database is None else database_seq(database, facts.state_id)
        return list(problems(state, facts, seq, thoroughly=True))


def scrub_state(path: Path) -> Scrubbed:
    """Take out of the engine's store what was never committed, as every start does.

    Raises StateError where a start would, but for the database.
    """
    with _existing(path) as (state, facts):
        for fault in problems(state, facts, resumed_seq_of(state)):
            raise StateError(fault)
        return state.recovery.scrub()


def show_state(path: Path) -> Iterator[str]:
    """Return what a state was created with, how far it is, and how large."""
    with _existing(path) as (state, facts):
        for fault in store_problems(state, facts):
            raise StateError(fault)
        resumed = Resumable.read(state.recovery)
        yield from _about(facts, resumed)
        yield ""
        yield text_table(_SIZES, [_size(step, groups) for step, groups in resumed.groups.items()])
        if rows := sorted(_partitions(resumed)):
            yield ""
            yield text_table(["stream", "partition", "next offset", "watermark"], rows)


def resumed_seq_of(state: StateDir) -> int:
    """Return the last commit that a state belongs to; 0 where its store cannot tell."""
    try:
        return Resumable.read(state.recovery).seq
    except RecoveryError:
        return 0


def sized_for(loaded: Loaded, workers: int) -> Loaded:
    """Return each worker a lane and a key group, except where somebody set their number.

    For a state that is not there yet; one that is keeps its sizes.
    """
    unset = [name for name in ("lanes", "key_groups") if loaded.origins[f"flow.{name}"] == DEFAULT]
    sizes = dict.fromkeys(unset, workers)
    flow = loaded.settings.flow.model_copy(update=sizes)
    return replace(loaded, settings=loaded.settings.model_copy(update={"flow": flow}))


@contextmanager
def _existing(path: Path) -> Iterator[tuple[StateDir, StateFacts]]:
    """Lock a state that is there; nothing is made where there is none."""
    state = StateDir(path)
    facts = state.read()
    with state.lock():
        yield state, facts


def _wanted(loaded: Loaded, *, allow_unregistered: bool) -> RequestedConfig:
    """Ask for the sizes of the flow only where somebody set them: a state has its own."""
    flow = loaded.settings.flow

    def explicit(name: str) -> int | None:
        is_default = loaded.origins.get(f"flow.{name}", DEFAULT) == DEFAULT
        return None if is_default else getattr(flow, name)

    return RequestedConfig(
        policy=loaded.settings.policy,
        key_groups=explicit("key_groups"),
        lanes=explicit("lanes"),
        allow_unregistered=allow_unregistered,
        steps=STEPS,
    )


def _facts(loaded: Loaded, wanted: RequestedConfig, now: int) -> StateFacts:
    return StateFacts(
        policy=wanted.policy,
        key_groups=loaded.settings.flow.key_groups,
        lanes=loaded.settings.flow.lanes,
        allow_unregistered=wanted.allow_unregistered,
        steps=wanted.steps,
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
    """Write a time of the job; its ends are no dates."""
    if microseconds in (START, END):
        return "none yet"
    return instant(UNIX_EPOCH + timedelta(microseconds=microseconds))
