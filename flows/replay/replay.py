"""A replay: a bounded run over a folder of files, with final results in one new file."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import time_ns
from typing import Any, Final, Self

import duckdb
from bytewax.dataflow import Dataflow
from bytewax.outputs import Sink
from bytewax.run import cli_main

from attribution.registry import Registry
from connectors.database.credit_sums import sum_up
from connectors.database.ownership import last_seq, writing
from connectors.database.replay_file import REPLAY_AGAIN, result_file
from connectors.database.replay_sink import DatabaseSink
from connectors.database.runs import record_run
from connectors.errors import OperatorError
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
class Replay:
    """A replay whose log was found: the raw streams, their registry, and the time of its start.

    All workers use the start time as their clock, and the result records it.
    """

    job: ReplayOptions
    files: tuple[LogFile, ...]
    registry: Registry
    started_at: int

    @classmethod
    def of(cls, job: ReplayOptions) -> Self:
        """Find the log of a job; raises LogError if there is none."""
        files = find_files(job.folder)
        registry = load_registry(job.folder, allow_unregistered=job.allow_unregistered)
        return cls(job, tuple(files), registry, time_ns() // 1_000)

    @property
    def paths(self) -> list[Path]:
        """The paths of all files that are read."""
        return [*(file.path for file in self.files), self.job.folder / REGISTRY]

    @property
    def key_groups(self) -> int:
        """The number of key groups; a replay persists no state, so any number will do."""
        return self.job.key_groups or self.job.workers

    def record(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Record the inputs in a new result file."""
        record_run(
            connection,
            run_id=uuid.uuid4().hex,
            policy=self.job.settings.policy,
            inputs={
                "folder": str(self.job.folder.resolve()),
                "files": [file.path.name for file in self.files],
                "marks": marks(self.paths),
                "allow_unregistered": self.job.allow_unregistered,
            },
            key_groups=self.key_groups,
            started_at=self.started_at,
        )
        record_sources(connection, self.registry)

    def flow(self, sink: Sink[Any], failures: list[OperatorError] | None = None) -> Dataflow:
        """Build the flow into a sink, with a lane per worker; `failures` are as in FileSource."""
        job, policy = self.job, self.job.settings.policy
        source = FileSource(
            self.files,
            job.workers,
            policy,
            self.registry,
            chunk_bytes=job.chunk_bytes or CHUNK_BYTES,
            progress=job.progress,
            read_at=self.started_at,
            failures=failures,
            threads=job.threads,
        )
        groups = self.key_groups
        return build_flow(Io(source, sink, job.workers, groups, watermark_interval=STRIDE), policy)


def replay(job: ReplayOptions) -> None:
    """Run the flow over a folder, into a result file that exists only if all went well.

    Raises LogError if the log cannot be read, DatabaseError if the result cannot be written.
    """
    found = Replay.of(job)
    quiet_panics()
    spare_searches()
    keep_memory()
    forget_imports()
    collect_rarely()
    failures: list[OperatorError] = []
    with result_file(job.database, overwrite=job.overwrite, log=found.paths) as connection:
        with writing(job.database, REPLAY_AGAIN):
            found.record(connection)
        cli_main(  # type: ignore[no-untyped-call]
            found.flow(DatabaseSink(connection, job.database, failures), failures),
            workers_per_process=job.workers,
            epoch_interval=COMMIT_INTERVAL,
        )
        if failures:
            raise failures[0]
        with writing(job.database, REPLAY_AGAIN):
            sum_up(connection, until=last_seq(connection))
