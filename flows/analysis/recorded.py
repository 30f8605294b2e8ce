"""The run behind a result file: its policy, its inputs, and its log decoded again.

`runs.inputs` is a JSON object. It has `allow_unregistered` and `folder`, where the log was or is. A
replay adds `files` and their `marks`. A continuous run adds `mode` "run" and may have been started
many times with one policy. A run over Kafka has no `folder` but `topics`, by stream, and
`beginnings`: the earliest available offset of each partition that no earlier start had read.
Connection settings are not stored.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Self

import duckdb

from attribution.decoded import Decoded
from attribution.policy import Policy
from attribution.registry import Registry
from connectors.database.file import absence, refusal
from connectors.errors import OperatorError
from connectors.files.folder import find_files
from connectors.files.marks import Mark, changes
from connectors.progress import Extent, read_extents
from connectors.registry.file import REGISTRY, load_registry
from connectors.registry.table import read_registry
from connectors.sql.copies import file_to_open
from connectors.verify.expected import create_log, note_progress
from connectors.verify.log_tables import decode_folder, load_log
from connectors.verify.reread_files import decode_extents
from connectors.verify.reread_topics import TopicLog
from flows.kafka.topics import cluster_of
from flows.settings.kafka import KafkaSettings

_DecodeExtents = Callable[[Sequence[Extent], Policy, Registry], Iterator[Decoded]]

CONTINUOUS: Final = "run"
"""The `mode` in the inputs of a continuous run; a replay has none."""


class ResultError(OperatorError):
    """A result file cannot be read, or its log not found; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The options of a run: policy, input, and whether unregistered sources were allowed.

    A replay used `started_at` as its clock. `is_continuous` means that log and result may still
    grow. If `topics` were read there is no folder; `beginnings` are merged from all starts, and
    `marks` are those of the files of a replay.
    """

    policy: Policy
    folder: Path | None
    allow_unregistered: bool
    started_at: int
    is_continuous: bool = False
    topics: frozenset[str] = frozenset()
    beginnings: Mapping[str, int] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)

    @classmethod
    def last_of(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """Return the latest run of the result file that is attached as `result`."""
        recorded = connection.execute(
            """select last(policy order by started_at), last(inputs order by started_at),
            list(inputs order by started_at), epoch_us(max(started_at))
            from result.runs having count(*) > 0"""
        ).fetchone()
        if recorded is None:
            msg = "the file records no run, so there is no log to hold it against; replay it again"
            raise ResultError(msg)
        inputs = json.loads(recorded[1])
        folder = inputs.get("folder")
        return cls(
            policy=Policy.model_validate_json(recorded[0]),
            folder=None if folder is None else Path(folder),
            allow_unregistered=inputs.get("allow_unregistered", False),
            started_at=recorded[3],
            is_continuous=inputs.get("mode") == CONTINUOUS,
            topics=frozenset(inputs.get("topics", {}).values()),
            beginnings={
                name: offset
                for start in recorded[2]
                for name, offset in json.loads(start).get("beginnings", {}).items()
            },
            marks={
                name: (size, checksum) for name, (size, checksum) in inputs.get("marks", {}).items()
            },
        )

    def load(
        self,
        connection: duckdb.DuckDBPyConnection,
        folder: Path | None = None,
        kafka: KafkaSettings | None = None,
    ) -> None:
        """Decode the log again into the log tables; from `folder` if it has moved.

        For a continuous run, exactly the records behind the result are decoded, with the registry
        stored in the result. Raises `ResultError` if there is no such folder, `LogError` if it does
        not (or no longer) contain the log, and `ClusterError` likewise for topics on the cluster of
        `kafka`.
        """
        folder = self._folder_to_read(folder)
        create_log(connection, self.policy)
        if folder is None:
            log = self._grown(connection, partial(self._decode_topics, kafka or KafkaSettings()))
        elif self.is_continuous:
            log = self._grown(connection, partial(decode_extents, folder))
        else:
            registry = load_registry(folder, allow_unregistered=self.allow_unregistered)
            log = decode_folder(folder, self.policy, registry, read_at=self.started_at)
        load_log(connection, log, self.policy)

    def check_log(self, folder: Path | None = None) -> None:
        """Raise `ResultError` if the log has changed since it was replayed."""
        folder = self._folder_to_read(folder)
        if folder is None or not self.marks:
            return
        registry = [path for path in [folder / REGISTRY] if path.exists()]
        paths = [*(file.path for file in find_files(folder)), *registry]
        if found := list(changes(self.marks, paths)):
            msg = (
                f"the log in {folder} has changed since it was replayed: {', '.join(found)}; "
                "replay it again, or name a folder that is as it was: --log FOLDER"
            )
            raise ResultError(msg)

    def _folder_to_read(self, moved: Path | None) -> Path | None:
        if self.topics and moved is not None:
            msg = f"the run read the topics {', '.join(sorted(self.topics))}; leave --log out"
            raise ResultError(msg)
        folder = moved or self.folder
        if folder is None and not self.topics:
            msg = "the run read no files; name a folder of files that hold the same records"
            raise ResultError(msg)
        if folder is not None and not folder.is_dir():
            msg = f"the log is not at {folder}; name the folder it is in now"
            raise ResultError(msg)
        return folder

    def _grown(
        self, connection: duckdb.DuckDBPyConnection, decode: _DecodeExtents
    ) -> Iterator[Decoded]:
        """Decode the part of a growing log that the result is based on."""
        note_progress(connection)
        registry = read_registry(connection, allow_unregistered=self.allow_unregistered)
        return decode(read_extents(connection), self.policy, registry)

    def _decode_topics(
        self, kafka: KafkaSettings, extents: Sequence[Extent], policy: Policy, registry: Registry
    ) -> Iterator[Decoded]:
        log = TopicLog(cluster_of(kafka), self.topics, self.beginnings)
        return log.decode(extents, policy, registry)


def attach(connection: duckdb.DuckDBPyConnection, database: Path, scratch: Path) -> None:
    """Attach a result file, read-only, as the catalog `result`.

    While a job writes it, a copy in `scratch` is attached. Raises ResultError, and QueryError if
    the job does not send one.
    """
    if not database.is_file():
        raise ResultError(absence(database))
    place = str(file_to_open(database, scratch)).replace("'", "''")
    try:
        connection.execute(f"attach '{place}' as result (read_only); set timezone = 'UTC'")
        connection.execute("from result.runs limit 0")
    except duckdb.Error as error:
        raise ResultError(refusal(database, error)) from error
