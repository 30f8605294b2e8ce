"""A replay: a bounded run over a folder of files, with final results in one new file."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import time_ns
from typing import Any, Final

import duckdb
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink
from bytewax.run import cli_main

from attribution.columnar.frames import DecodedChunk
from attribution.registry import Registry
from connectors.database.ownership import writing
from connectors.database.replay_file import REPLAY_AGAIN, result_file
from connectors.database.replay_sink import DatabaseSink
from connectors.database.runs import record_run
from connectors.files.folder import LogFile, find_files
from connectors.files.marks import marks
from connectors.files.replay import FileSource
from connectors.files.whole_lines import CHUNK_BYTES
from connectors.registry.file import REGISTRY, load_registry
from connectors.registry.table import record_sources
from flows.dataflow.flow import Io, build_flow
from flows.process.tuning import (
    collect_rarely,
    forget_imports,
    keep_memory,
    quiet_panics,
    spare_searches,
)
from flows.replay.halting import HaltingSink, HaltingSource
from flows.settings.model import Settings

COMMIT_INTERVAL: Final = timedelta(seconds=30)
"""The time between commits: long enough for large inserts, short enough to bound waiting rows."""

STRIDE: Final = 24 * 3_600_000_000
"""How far in arrival time (us) the steps advance at once. Latency does not matter in a replay, so
its strides are long; memory is needed for the records that arrive within one."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay, and how. `progress` is called with bytes of files read, from any thread.

    `workers` are those of the engine, each with a lane; a lane decodes with so many `threads`.
    """

    folder: Path
    database: Path
    settings: Settings
    overwrite: bool = False
    allow_unregistered: bool = False
    workers: int = 1
    threads: int = 0
    chunk_bytes: int | None = None
    key_groups: int | None = None
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class InputLog:
    """The raw streams of a folder, their registry, and the start time of the replay.

    All workers use the start time as their clock, and the result records it.
    """

    files: tuple[LogFile, ...]
    registry: Registry
    started_at: int

    @classmethod
    def of(cls, job: ReplayOptions) -> "InputLog":
        """Find the log of a job; raises LogError if there is none."""
        files = find_files(job.folder)
        registry = load_registry(job.folder, allow_unregistered=job.allow_unregistered)
        return cls(tuple(files), registry, time_ns() // 1_000)

    def paths(self, job: ReplayOptions) -> list[Path]:
        """Return the paths of all files that are read."""
        return [*(file.path for file in self.files), job.folder / REGISTRY]

    def source(self, job: ReplayOptions) -> FileSource:
        """Return a source of the files with one lane per worker."""
        return FileSource(
            self.files,
            job.workers,
            job.settings.policy,
            self.registry,
            chunk_bytes=job.chunk_bytes or CHUNK_BYTES,
            progress=job.progress,
            read_at=self.started_at,
            threads=job.threads,
        )


def replay(job: ReplayOptions) -> None:
    """Run the flow over a folder, into a result file that exists only if all went well.

    Raises LogError if the log cannot be read, DatabaseError if the result cannot be written.
    """
    log = InputLog.of(job)
    source = HaltingSource(log.source(job))
    quiet_panics()
    spare_searches()
    keep_memory()
    forget_imports()
    collect_rarely()
    with result_file(job.database, overwrite=job.overwrite, log=log.paths(job)) as connection:
        with writing(job.database, REPLAY_AGAIN):
            record(connection, job, log)
        sink = HaltingSink(DatabaseSink(connection), job.database, source.failures)
        cli_main(  # type: ignore[no-untyped-call]
            wire(job, source, sink),
            workers_per_process=job.workers,
            epoch_interval=COMMIT_INTERVAL,
        )
        if source.failures:
            raise source.failures[0]


def record(connection: duckdb.DuckDBPyConnection, job: ReplayOptions, log: InputLog) -> None:
    """Record the inputs of a replay in its new result file."""
    record_run(
        connection,
        run_id=uuid.uuid4().hex,
        policy=job.settings.policy,
        inputs=_inputs(job, log),
        key_groups=_groups(job),
        started_at=log.started_at,
    )
    record_sources(connection, log.registry)


def _inputs(job: ReplayOptions, log: InputLog) -> dict[str, Any]:
    return {
        "folder": str(job.folder.resolve()),
        "files": [file.path.name for file in log.files],
        "marks": marks(log.paths(job)),
        "allow_unregistered": job.allow_unregistered,
    }


def _groups(job: ReplayOptions) -> int:
    """Return the number of key groups; a replay persists no state, so any number will do."""
    return job.key_groups or job.workers


def wire(job: ReplayOptions, source: Source[DecodedChunk], sink: Sink[Any]) -> Dataflow:
    """Build the flow of a replay, with a lane per worker."""
    io = Io(
        source,
        sink,
        lanes=job.workers,
        key_groups=_groups(job),
        watermark_interval=STRIDE,
    )
    return build_flow(io, job.settings.policy)
