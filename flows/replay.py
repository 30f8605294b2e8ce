"""A bounded run over a folder of files: everything read, everything final, one result file."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink
from bytewax.run import cli_main

from attribution.keyed import Read
from attribution.registry import Registry, RegistryError
from connectors.database import (
    DatabaseError,
    DatabaseSink,
    create_database,
    record_run,
    record_sources,
)
from connectors.files import CHUNK_BYTES, LogError, LogFile, find_files
from connectors.lanes import FileSource
from flows.attribution import Io, build_flow
from flows.halting import HaltingSource
from flows.known_settings import Settings
from flows.process import collect_rarely, forget_imports, keep_memory, quiet_panics, spare_searches

EPOCH: Final = timedelta(seconds=30)
"""Between commits: long enough for large inserts, short enough to bound the rows that wait."""

STRIDE: Final = 24 * 3_600_000_000
"""How far in arrival time (us) the steps advance at once. Nobody waits for a row of a replay, so
its strides are long; what arrives within one is what its memory is for."""

REGISTRY: Final = "event_sources.json"

UNFINISHED: Final = ".unfinished"
"""Follows the name of a result file until it is complete."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What to replay, and how. `progress` is told of bytes of files read, from any thread."""

    folder: Path
    database: Path
    settings: Settings
    overwrite: bool = False
    allow_unregistered: bool = False
    workers: int = 1
    chunk_bytes: int | None = None
    key_groups: int | None = None
    progress: Callable[[int], None] | None = None


def load_registry(folder: Path, *, allow_unregistered: bool) -> Registry:
    """Read `event_sources.json`; raises LogError where it is missing or wrong."""
    return load_sources(folder / REGISTRY, allow_unregistered=allow_unregistered)


def load_sources(path: Path, *, allow_unregistered: bool) -> Registry:
    """Read the registry from a file; raises LogError where it is missing or wrong."""
    if not path.exists():
        if allow_unregistered:
            return Registry.from_documents([], allow_unregistered=True)
        msg = f"{path} is missing; add the registry, or --allow-unregistered to do without"
        raise LogError(msg)
    try:
        documents = json.loads(path.read_bytes())
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}; let the user of this process read it"
        raise LogError(msg) from error
    except ValueError as error:
        msg = f"{path} is not valid JSON: {error}"
        raise LogError(msg) from error
    if not isinstance(documents, list):
        msg = f"{path} must hold an array of event sources"
        raise LogError(msg)
    try:
        return Registry.from_documents(documents, allow_unregistered=allow_unregistered)
    except RegistryError as error:
        msg = f"{path}: {error}"
        raise LogError(msg) from error


@dataclass(frozen=True, slots=True)
class Log:
    """The raw streams of a folder, and the registry they are judged by."""

    files: tuple[LogFile, ...]
    registry: Registry

    @classmethod
    def of(cls, job: Replay) -> "Log":
        """Find the log of a job; raises LogError when there is none."""
        files = find_files(job.folder)
        registry = load_registry(job.folder, allow_unregistered=job.allow_unregistered)
        return cls(tuple(files), registry)

    def source(self, job: Replay) -> FileSource:
        """Read the files in as many lanes as the job has workers."""
        return FileSource(
            self.files,
            job.workers,
            job.settings.policy,
            self.registry,
            chunk_bytes=job.chunk_bytes or CHUNK_BYTES,
            progress=job.progress,
        )


def replay(job: Replay) -> None:
    """Run the flow over a folder, into a result file that is there when all went well.

    Raises LogError when the log cannot be read, DatabaseError when the result cannot be written.
    """
    log = Log.of(job)
    source = HaltingSource(log.source(job))
    quiet_panics()
    spare_searches()
    keep_memory()
    forget_imports()
    collect_rarely()
    with _result_file(job) as connection:
        record(connection, job, log)
        cli_main(  # type: ignore[no-untyped-call]
            wire(job, source, DatabaseSink(connection)),
            workers_per_process=job.workers,
            epoch_interval=EPOCH,
        )
        if source.failures:
            raise source.failures[0]


@contextmanager
def _result_file(job: Replay) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a new result file, which takes its name, and the place of an old one, when complete."""
    path = job.database
    if path.exists() and not job.overwrite:
        msg = f"{path} exists already; name another file, or add --overwrite to replace it"
        raise DatabaseError(msg)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with create_database(unfinished, overwrite=True) as connection:
            yield connection
            connection.execute("checkpoint")
        _wal(path).unlink(missing_ok=True)  # of the old file; the new one must not be given it
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
        _wal(unfinished).unlink(missing_ok=True)


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def record(connection: duckdb.DuckDBPyConnection, job: Replay, log: Log) -> None:
    """Note in a new result file what it is made of."""
    record_run(
        connection,
        run_id=uuid.uuid4().hex,
        policy=job.settings.policy,
        inputs=_inputs(job, log),
        key_groups=_groups(job),
    )
    record_sources(connection, log.registry)


def _inputs(job: Replay, log: Log) -> dict[str, Any]:
    return {
        "folder": str(job.folder.resolve()),
        "files": [file.path.name for file in log.files],
        "allow_unregistered": job.allow_unregistered,
    }


def _groups(job: Replay) -> int:
    """Nothing is kept of a replay, so it may divide its state as it likes."""
    return job.key_groups or job.workers


def wire(job: Replay, source: Source[Read], sink: Sink[Any]) -> Dataflow:
    """Build the flow of a replay; it has a lane per worker."""
    io = Io(
        source,
        sink,
        lanes=job.workers,
        key_groups=_groups(job),
        watermark_interval=STRIDE,
    )
    return build_flow(io, job.settings.policy)
