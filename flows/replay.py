"""A bounded run over a folder of files: everything read, everything final, one result file."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from bytewax.run import cli_main

from attribution.registry import Registry, RegistryError
from connectors.database import DatabaseSink, create_database, record_run, record_sources
from connectors.files import LogError, LogFile, find_files
from connectors.lanes import FileSource
from flows.attribution import Io, build_flow
from flows.settings import Settings

EPOCH: Final = timedelta(seconds=2)
"""Between commits: long enough for large inserts, short enough to bound the rows that wait."""

REGISTRY: Final = "event_sources.json"


@dataclass(frozen=True, slots=True)
class Replay:
    """What to replay, and how."""

    folder: Path
    database: Path
    settings: Settings
    overwrite: bool = False
    allow_unregistered: bool = False
    workers: int = 1
    chunk_bytes: int | None = None
    progress: Callable[[int], None] | None = None


def load_registry(folder: Path, *, allow_unregistered: bool) -> Registry:
    """Read `event_sources.json`; raises LogError where it is missing or wrong."""
    path = folder / REGISTRY
    if not path.exists():
        if allow_unregistered:
            return Registry.from_documents([], allow_unregistered=True)
        msg = f"{path} is missing; add the registry, or --allow-unregistered to do without"
        raise LogError(msg)
    try:
        documents = json.loads(path.read_bytes())
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


def replay(job: Replay) -> None:
    """Run the flow over a folder; raises LogError or DatabaseError before anything is written."""
    files = find_files(job.folder)
    registry = load_registry(job.folder, allow_unregistered=job.allow_unregistered)
    with create_database(job.database, overwrite=job.overwrite) as connection:
        record_run(
            connection,
            run_id=uuid.uuid4().hex,
            policy=job.settings.policy,
            inputs=_inputs(job, files),
            key_groups=job.settings.flow.key_groups,
        )
        record_sources(connection, registry)
        _run(job, files, registry, connection)
        connection.execute("checkpoint")


def _inputs(job: Replay, files: list[LogFile]) -> dict[str, Any]:
    return {
        "folder": str(job.folder.resolve()),
        "files": [file.path.name for file in files],
        "allow_unregistered": job.allow_unregistered,
    }


def _run(
    job: Replay, files: list[LogFile], registry: Registry, connection: duckdb.DuckDBPyConnection
) -> None:
    flow = job.settings.flow
    source = FileSource(
        tuple(files),
        job.workers,
        job.settings.policy,
        registry,
        progress=job.progress,
        **({} if job.chunk_bytes is None else {"chunk_bytes": job.chunk_bytes}),
    )
    io = Io(
        source,
        DatabaseSink(connection),
        lanes=job.workers,
        key_groups=flow.key_groups,
        watermark_interval=job.settings.policy.settle_delay,
    )
    cli_main(
        build_flow(io, job.settings.policy),
        workers_per_process=job.workers,
        epoch_interval=EPOCH,
    )
