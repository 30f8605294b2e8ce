"""The DuckDB file as a sink: rows wait in `write_batch`, and one transaction per epoch writes them.

Every table is append-only and every row carries `seq`, the number of its commit. Nothing is ever
written outside of `snapshot`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.frames import START
from attribution.keyed import Rows
from attribution.policy import Policy
from attribution.vocabulary import STREAMS
from connectors import schema
from connectors.commits import Commit, Epoch
from connectors.release import release

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

CHECKPOINT_THRESHOLD: Final = "1GB"
"""Of write-ahead log. The default of 16 MB costs three times the CPU and pauses of a second."""


COSTLY_COMPRESSION: Final = "fsst,dict_fsst"
"""Half of the time of a checkpoint goes into these; without them a file is a fifth larger."""


class DatabaseError(Exception):
    """The result file cannot be used; the message says why and what to do."""


def create_database(path: Path, *, overwrite: bool) -> duckdb.DuckDBPyConnection:
    """Create a result file with all tables and views.

    Raises DatabaseError when there is one already, or when the place cannot be written.
    """
    if path.exists() and not overwrite:
        msg = f"{path} exists already; name another file, or add --overwrite to replace it"
        raise DatabaseError(msg)
    try:
        for old in (path, path.with_name(path.name + ".wal")):
            old.unlink(missing_ok=True)
        connection = duckdb.connect(str(path))
        prepare(connection)
        schema.create(connection)
    except (OSError, duckdb.OperationalError, duckdb.FatalException) as error:
        msg = f"{path} cannot be written: {str(error).splitlines()[0]}"
        raise DatabaseError(msg) from error
    return connection


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Set a connection that is to write."""
    connection.execute("set timezone = 'UTC'; set threads = 1")
    connection.execute(f"set checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'")
    connection.execute(f"set disabled_compression_methods = '{COSTLY_COMPRESSION}'")


def record_run(  # noqa: PLR0913  the columns of a row
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    policy: Policy,
    inputs: Mapping[str, Any],
    key_groups: int,
    started_at: int | None = None,
) -> None:
    """Note what the rows of this file were made of; the run starts now, or did at `started_at`."""
    now = datetime.now(UTC)
    connection.execute(
        "insert into runs values (?, ?, ?, ?, ?, ?)",
        [
            run_id,
            now if started_at is None else EPOCH + timedelta(microseconds=started_at),
            release(),
            policy.model_dump_json(),
            json.dumps(inputs),
            key_groups,
        ],
    )


@dataclass(frozen=True, slots=True)
class DatabaseSink(FixedPartitionedSink[Rows, int]):
    """One partition: a DuckDB file has one writer."""

    connection: duckdb.DuckDBPyConnection

    def list_parts(self) -> list[str]:
        """Name the only partition."""
        return ["database"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_Writer":
        """Continue after the commit that the state belongs to."""
        del step_id, for_part
        return _Writer(self.connection, resume_state or 0)


@dataclass(slots=True)
class _Writer(StatefulSinkPartition[Rows, int]):
    connection: duckdb.DuckDBPyConnection
    seq: int
    epoch: Epoch = field(default_factory=Epoch)
    read: dict[tuple[str, int], int] = field(default_factory=dict)

    def write_batch(self, values: list[Rows]) -> None:
        """Let rows wait for the end of the epoch."""
        for rows in values:
            self.epoch.take(rows)
            self.read |= {by: at for by, at in rows.watermarks.items() if by[0] in STREAMS}

    def snapshot(self) -> int:
        """Commit what waits, in one transaction."""
        if self.epoch:
            self.seq += 1
            commit = Commit(self.connection, self.seq)
            self.connection.begin()
            commit.write(self.epoch.tables())
            watermark = min(self.read.values(), default=START)
            # Of a replay nobody asks what has settled before it ends, and then everything has.
            commit.note(self.epoch.records, watermark=watermark, settled=START)
            self.connection.commit()
            self.epoch = Epoch()
        return self.seq
