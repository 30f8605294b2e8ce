"""The DuckDB file as a sink: `write_batch` buffers rows, and one transaction per epoch writes them.

Every table is append-only, and every row carries `seq`, the number of its commit. Only `snapshot`
writes.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import START, Rows
from attribution.vocabulary import STREAMS
from connectors.database.commit import Commit, Epoch
from connectors.database.file import DatabaseError
from connectors.database.ownership import writing
from connectors.database.replay_file import REPLAY_AGAIN
from connectors.errors import OperatorError


@dataclass(frozen=True, slots=True)
class DatabaseSink(FixedPartitionedSink[Rows, int]):
    """One partition: a DuckDB file, at `path`, has one writer.

    With `failures`, an error is added there instead of raised, which the engine would turn into a
    panic; once there is one, of whatever part, all rows are discarded.
    """

    connection: duckdb.DuckDBPyConnection
    path: Path
    failures: list[OperatorError] | None = None

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return ["database"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "_Writer":
        """Resume after the commit that the state belongs to."""
        del step_id, for_part
        return _Writer(self, resume_state or 0)


@dataclass(slots=True)
class _Writer(StatefulSinkPartition[Rows, int]):
    sink: DatabaseSink
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
        epoch, self.epoch = self.epoch, Epoch()
        if epoch and not self.sink.failures:
            try:
                with writing(self.sink.path, REPLAY_AGAIN):
                    self._commit(epoch)
            except DatabaseError as error:
                if self.sink.failures is None:
                    raise
                self.sink.failures.append(error)
        return self.seq

    def _commit(self, epoch: Epoch) -> None:
        self.seq += 1
        connection = self.sink.connection
        commit = Commit(connection, self.seq)
        # What the steps have freed is returned to the system, because DuckDB, which has memory of
        # its own, needs some 250 MB now: a quarter of the peak of a replay.
        pa.default_memory_pool().release_unused()
        connection.begin()
        commit.write(epoch.tables())
        watermark = min(self.read.values(), default=START)
        # A replay's result is read only after its end, when everything has settled.
        commit.note(epoch.records, watermark=watermark, settled=START)
        connection.commit()
