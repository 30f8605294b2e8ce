"""The DuckDB file as a sink: `write_batch` buffers rows, and one transaction per epoch writes them.

Every table is append-only, and every row carries `seq`, the number of its commit. Only `snapshot`
writes.
"""

from dataclasses import dataclass, field

import duckdb
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import START, Rows
from attribution.vocabulary import STREAMS
from connectors.database.commit import Commit, Epoch


@dataclass(frozen=True, slots=True)
class DatabaseSink(FixedPartitionedSink[Rows, int]):
    """One partition: a DuckDB file has one writer."""

    connection: duckdb.DuckDBPyConnection

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return ["database"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_Writer":
        """Resume after the commit that the state belongs to."""
        del step_id, for_part
        return _Writer(self.connection, resume_state or 0)


@dataclass(slots=True)
class _Writer(StatefulSinkPartition[Rows, int]):
    connection: duckdb.DuckDBPyConnection
    seq: int
    epoch: Epoch = field(default_factory=Epoch)
    read: dict[tuple[str, int], int] = field(default_factory=dict)

    def write_batch(self, values: list[Rows]) -> None:
        """Buffer rows until the end of the epoch."""
        for rows in values:
            self.epoch.take(rows)
            self.read |= {by: at for by, at in rows.watermarks.items() if by[0] in STREAMS}

    def snapshot(self) -> int:
        """Commit the buffered rows in one transaction."""
        if self.epoch:
            self.seq += 1
            commit = Commit(self.connection, self.seq)
            self.connection.begin()
            commit.write(self.epoch.tables())
            watermark = min(self.read.values(), default=START)
            # A replay's result is read only after its end, when everything has settled.
            commit.note(self.epoch.records, watermark=watermark, settled=START)
            self.connection.commit()
            self.epoch = Epoch()
        return self.seq
