"""The state directory of a continuous run: its files, its settings and its lock.

state.json      the settings that the state was created with and that must not change
registry.json   the versions of event sources (`connectors.registry.kept`)
log.json        which log is read (`connectors.preflight.input_log`)
horizon.json    up to when those are known, if read from a topic (`connectors.registry.follow`)
recovery/       the engine's store (`connectors.state.recovery`)
segments/       the batches of the keyed steps (`connectors.state.segments`)
alignment       lowest watermark of each lane with a backlog (`connectors.lanes.alignment`)
waiting         touched while a run waits for a cluster that accepts no records
lock            held while a process uses the directory
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import duckdb
from pydantic import ValidationError

from connectors.durable import UNFINISHED, write_lasting
from connectors.hashing import hash_check
from connectors.release import release
from connectors.state.errors import WAYS_OUT, StateError
from connectors.state.facts import FORMAT, StateFacts, fingerprint_of
from connectors.state.recovery import RecoveryStore
from connectors.state.segments import Segments

STATE: Final = "state.json"
REGISTRY: Final = "registry.json"
HORIZON: Final = "horizon.json"
LOG: Final = "log.json"
RECOVERY: Final = "recovery"
SEGMENTS: Final = "segments"
ALIGNMENT: Final = "alignment"
WAITING: Final = "waiting"
LOCK: Final = "lock"
_OURS: Final = {STATE, REGISTRY, HORIZON, LOG, RECOVERY, SEGMENTS, ALIGNMENT, WAITING, LOCK}


@dataclass(frozen=True, slots=True)
class StateDir:
    """A state directory by its path; only the lock is kept open."""

    path: Path

    @property
    def recovery(self) -> RecoveryStore:
        """The engine's store."""
        return RecoveryStore(self.path / RECOVERY)

    @property
    def segments(self) -> Segments:
        """The folder of segment files."""
        return Segments(self.path / SEGMENTS)

    @property
    def registry_file(self) -> Path:
        """The file of the event source versions."""
        return self.path / REGISTRY

    @property
    def alignment_file(self) -> Path:
        """The file through which the processes of a run align their lanes."""
        return self.path / ALIGNMENT

    @property
    def log_file(self) -> Path:
        """The file that records which log is read."""
        return self.path / LOG

    @property
    def horizon_file(self) -> Path:
        """The file that records up to when the event source versions are known."""
        return self.path / HORIZON

    @property
    def lasting(self) -> list[Path]:
        """Return the paths that must stay the same file or folder throughout a run."""
        beside = (STATE, LOCK, RECOVERY, SEGMENTS)
        return [self.path, *(self.path / name for name in beside), *self.recovery.files()]

    def note_waiting(self) -> None:
        """Record that the run is healthy and waits for an external system."""
        with suppress(OSError):  # if the disk fails, the next epoch reports it
            (self.path / WAITING).touch()

    def pulse(self) -> tuple[int, int]:
        """Return a value that changes with every epoch, and with every call of `note_waiting`."""
        try:
            waited_at = (self.path / WAITING).stat().st_mtime_ns
        except FileNotFoundError:
            waited_at = 0
        return self.recovery.changed_at(), waited_at

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Lock the directory, which is created if absent; yields the handle of the lock.

        Children to which the handle is passed inherit it, so the directory stays locked as long as
        one of them lives. Raises StateError when another process holds the lock.
        """
        handle = self._open_lock()
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                msg = f"{self.path} is in use by process {holder}; stop that one first"
                raise StateError(msg) from error
            with suppress(OSError):  # on a full disk, others cannot report which process it is
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield handle
        finally:
            os.close(handle)

    def _open_lock(self) -> int:
        try:
            # The state holds personal data, if only as hashes: no other user needs access.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            msg = f"{self.path} cannot be used as state directory: {error.strerror}"
            raise StateError(msg) from error
        os.set_inheritable(handle, True)  # noqa: FBT003  takes no keyword
        return handle

    def is_new(self) -> bool:
        """Return whether there is no state yet, as after an unfinished `create`.

        Raises StateError when the directory holds other files, or a state without state.json.
        """
        if (self.path / STATE).exists():
            return False
        if not self.path.exists():
            return True
        names = {each.name.removesuffix(UNFINISHED) for each in self.path.iterdir()}
        if foreign := sorted(names - _OURS):
            msg = f"{self.path} is no state directory: it holds {foreign[0]}; name an empty one"
            raise StateError(msg)
        if self.recovery.has_run():
            msg = f"{self.path / STATE} is missing, but the state has been used; {WAYS_OUT}"
            raise StateError(msg)
        return True

    def create(self, facts: StateFacts) -> None:
        """Create a new state, under the lock. `state.json` is written last: it makes it valid."""
        try:
            (self.path / SEGMENTS).mkdir(exist_ok=True)
            if not self.recovery.folder.exists():
                RecoveryStore.create(self.recovery.folder)
            text = json.dumps(facts.to_json(), indent=2)
            write_lasting(self.path / STATE, [text.encode(), b"\n"])
        except OSError as error:
            msg = f"no state can be made in {self.path}: {error.strerror}; name another --state"
            raise StateError(msg) from error

    def discard(self, *, with_folder: bool) -> None:
        """Delete a state that was just created, under the lock, because the run was refused."""
        for name in _OURS:
            for path in (self.path / name, self.path / f"{name}{UNFINISHED}"):
                with suppress(FileNotFoundError):
                    rmtree(path) if path.is_dir() else path.unlink()
        if with_folder:
            with suppress(OSError):  # the folder contains other files by now
                self.path.rmdir()

    def read(self) -> StateFacts:
        """Read the settings of the state; raises StateError if it cannot be resumed with them."""
        path = self.path / STATE
        try:
            tree = json.loads(path.read_bytes())
            self._check_format(tree)
            facts = StateFacts.from_json(tree)
            has_same_policy = tree["policy_fingerprint"] == fingerprint_of(tree["policy"])
            has_same_hashes = tree["hash_check"] == hash_check(facts.salts)
        except FileNotFoundError as error:
            msg = f"{self.path} holds no state; make one with: tributary state init --state DIR"
            raise StateError(msg) from error
        except (duckdb.Error, OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            msg = f"{path} cannot be read: {error}; {WAYS_OUT}"
            raise StateError(msg) from error
        if not has_same_policy:
            msg = (
                f"{path} holds another policy than the state was made with: it was changed, or is "
                f"damaged; {WAYS_OUT}"
            )
            raise StateError(msg)
        if not has_same_hashes:
            msg = (
                f"{self.path} holds keys hashed by another version of DuckDB, which would never be "
                "found again; start with the version of tributary that was used before"
            )
            raise StateError(msg)
        return facts

    def _check_format(self, tree: dict[str, Any]) -> None:
        if tree["format"] != FORMAT:
            msg = (
                f"{self.path} has format {tree['format']} of tributary {tree['version']}, and this "
                f"is tributary {release()}, which reads format {FORMAT}; start the other"
            )
            raise StateError(msg)
