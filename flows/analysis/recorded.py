"""The run behind a result file: its policy, what it read, and the decoded log of that.

`runs.inputs` is a JSON object with `folder`, where the log was or is, `allow_unregistered`, of a
replay `files`, and `marks` of them, and in a continuous run the `mode` "run". Such a run may have
been started many times, with one policy. One over Kafka has instead of a folder `topics`, by
stream, and `beginnings`, the first offsets that there were, by partition, of those that no start
before it had begun; how a cluster is reached is not remembered.
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
from connectors.verify.expected import create_log, note_progress
from connectors.verify.log_tables import decode_folder, load_log
from connectors.verify.reread_files import decode_extents
from connectors.verify.reread_topics import TopicLog
from flows.kafka.topics import cluster_of
from flows.settings.kafka import KafkaSettings

_DecodeExtents = Callable[[Sequence[Extent], Policy, Registry], Iterator[Decoded]]

CONTINUOUS: Final = "run"
"""The mode of a run that goes on, as it is noted in its inputs; a replay notes none."""


class ResultError(OperatorError):
    """A result file that cannot be read or traced to its log; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a run was told: the rules, the folder, and whether unknown sources were let in.

    A replay read its log by the clock of its start, `started_at`. `is_continuous` if its log may
    grow and its result with it. There is no folder when it read `topics`; `beginnings` are those of
    all its starts, `marks` those of the files of a replay.
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
        """Read the latest run of the result file that is attached as `result`."""
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
        """Decode the log once more into the log tables; from `folder` if it has moved.

        Of a continuous run just as much of it as the result is made of, under the registry that the
        result has noted. Raises `ResultError` when there is no such folder, `LogError` when it is
        not, or no longer, the log, `ClusterError` when the topics, on the cluster of `kafka`, are
        not.
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
        """Raise `ResultError` where the log is another by now than the one that was replayed."""
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
        """Decode as much of a log that grows as the result is made of."""
        note_progress(connection)
        registry = read_registry(connection, allow_unregistered=self.allow_unregistered)
        return decode(read_extents(connection), self.policy, registry)

    def _decode_topics(
        self, kafka: KafkaSettings, extents: Sequence[Extent], policy: Policy, registry: Registry
    ) -> Iterator[Decoded]:
        log = TopicLog(cluster_of(kafka), self.topics, self.beginnings)
        return log.decode(extents, policy, registry)


def attach(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Open a result file as the catalog `result`, to be read only."""
    if not database.is_file():
        raise ResultError(absence(database))
    place = str(database).replace("'", "''")
    try:
        connection.execute(f"attach '{place}' as result (read_only); set timezone = 'UTC'")
        connection.execute("from result.runs limit 0")
    except duckdb.Error as error:
        raise ResultError(refusal(database, error)) from error
