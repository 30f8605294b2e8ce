"""The result file of a continuous run as a sink: one transaction per epoch, for the whole run.

The state that a restart resumes from may be one commit behind the file, never more. The writer
deletes the rows of that commit when it is built, and the flow produces them again.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from attribution.columnar.frames import START, Frame, Rows, Watermarks
from attribution.vocabulary import STREAMS
from connectors import metrics
from connectors.database import commit_metrics
from connectors.database.commit import Commit, Epoch
from connectors.database.compaction import Compaction
from connectors.database.file import DatabaseError, wal_of
from connectors.database.held_file import HeldFile
from connectors.database.in_place import NOTHING, InPlace
from connectors.database.ownership import memory_of, open_live, writing
from connectors.database.published_copies import Publication, PublishedCopies
from connectors.database.readers import NO_READERS, Readers
from connectors.database.rescue import rescued
from connectors.database.resuming import record_start, take_back
from connectors.database.runs import Start
from connectors.failpoints import reach
from connectors.lanes.rules import Clock
from connectors.state.errors import StateError

WAL_BYTES_MAX: Final = 64 << 20
"""Size of the write-ahead log that triggers a checkpoint. A start after a crash reads the log
twice, at 25 ms of CPU per MB if commits are small; a checkpoint takes half a second, hardly less
for a smaller log."""

MEMORY_COMMITS: Final = 16
"""Commits between two measurements of the file's memory, which take half a millisecond."""


Reading = Callable[[duckdb.DuckDBPyConnection, HeldFile], AbstractContextManager[Readers]]
"""Lets others query a result, and copy its file, while the block runs."""


def _unread(
    _connection: duckdb.DuckDBPyConnection, _file: HeldFile
) -> AbstractContextManager[Readers]:
    return nullcontext(NO_READERS)


@dataclass(frozen=True, slots=True)
class LiveDatabaseSink(FixedPartitionedSink[Rows, int]):
    """One partition: a DuckDB file has one writer.

    It also checks that the paths in `lasting`, those of the state, have not moved. While the file
    is open, `reading` lets others query it through its connection, and copies of it are published.
    """

    path: Path
    start: Start
    clock: Clock
    lasting: InPlace = NOTHING
    reading: Reading = _unread
    publication: Publication | None = None

    def list_parts(self) -> list[str]:
        """Return the name of the only partition."""
        return ["database"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> "LiveWriter":
        """Delete the commit that the state lacks, and resume after it; raises DatabaseError."""
        del step_id, for_part
        with ExitStack() as opening:
            file = HeldFile(self.path)
            opening.callback(file.close)
            connection = open_live(self.path, self.start.state_id)
            opening.callback(connection.close)
            opening.callback(file.end)
            with writing(self.path):
                # First: the file may be removed at any moment.
                opened = InPlace.of([self.path])
                file.open()
                take_back(connection, self.path, resume_state or 0)
                record_start(connection, self.start)
                file.note(resume_state or 0)
                writer = LiveWriter(self, connection, file, opened, resume_state or 0)
                opening.callback(writer.copies.close)
            writer.readers = opening.enter_context(self.reading(connection, file))
            writer.closing = opening.pop_all()
            return writer


class WatermarkTracker:
    """The watermarks of lanes and key groups; START for those not received yet."""

    def __init__(self, start: Start) -> None:
        """Expect every lane and every key group."""
        origins = {**dict.fromkeys(STREAMS, start.lanes), "credit": start.key_groups}
        self._watermarks = Watermarks(origins)

    def take(self, watermarks: Mapping[tuple[str, int], int]) -> None:
        """Update watermarks, by port and origin."""
        for (port, origin), watermark in watermarks.items():
            self._watermarks.observe(Frame(port, origin, watermark, {}))

    def of(self, port: str) -> list[int]:
        """Return the watermarks of all origins of a port."""
        return self._watermarks.held[port]

    @property
    def watermark(self) -> int:
        """The watermark of the result: every record below it has been read."""
        return min(min(self.of(stream)) for stream in STREAMS)

    @property
    def settled(self) -> int:
        """The time before which every conversion received is final."""
        return min(self.of("credit"))


class LiveWriter(StatefulSinkPartition[Rows, int]):
    """Writes one transaction per epoch that has rows."""

    def __init__(
        self,
        sink: LiveDatabaseSink,
        connection: duckdb.DuckDBPyConnection,
        file: HeldFile,
        opened: InPlace,
        seq: int,
    ) -> None:
        """Resume after commit `seq`."""
        self._path = sink.path
        self._clock = sink.clock
        self._connection = connection
        self._file = file
        self._seq = seq
        self._opened = opened
        self._lasting = sink.lasting
        self._upkeep = Compaction.of(connection)
        self._promises = WatermarkTracker(sink.start)
        self._epoch = Epoch()
        # When the result last changed; None once everything committed has settled.
        self._unsettled = sink.clock() if seq else None
        self.copies = PublishedCopies(file, sink.publication)
        self.readers, self.closing = NO_READERS, ExitStack()
        commit_metrics.begin(connection)

    def write_batch(self, values: list[Rows]) -> None:
        """Buffer rows until the end of the epoch."""
        for rows in values:
            self._epoch.take(rows)
            self._promises.take(rows.watermarks)

    def snapshot(self) -> int:
        """Commit the buffered rows in one transaction, if there are any.

        Raises DatabaseError or StateError if the file, or the state, is no longer at its path.
        """
        self._look_where_it_goes()
        if self._epoch or self._has_settled():
            with metrics.COMMIT_DURATION.time(), writing(self._path):
                self._commit()
        self._checkpoint()
        self.copies.look(self._seq)
        metrics.beat()
        self._report()
        return self._seq

    def _look_where_it_goes(self) -> None:
        with writing(self._path):
            is_gone, lost = any(self._opened.moved()), next(self._lasting.moved(), None)
        if is_gone:
            raise DatabaseError(rescued(self._path, self._opened.known[self._path]))
        if lost is not None:
            msg = (
                f"{lost} was deleted, renamed or replaced while this run went on; put it back and "
                "start again: then nothing is lost. Where it is gone, begin anew with an empty "
                "--state and a new --db"
            )
            raise StateError(msg)

    def _has_settled(self) -> bool:
        """Return whether everything has settled since the last commit; this is recorded once."""
        return self._unsettled is not None and self._promises.settled >= self._unsettled

    def _commit(self) -> None:
        seq, tables = self._seq + 1, self._epoch.tables()
        try:
            self._write(seq, tables)
        except duckdb.OutOfMemoryException:
            self._connection.rollback()
            self.readers.end_all()
            self._upkeep = Compaction.of(self._connection)
            self._write(seq, tables)
        reach("sink.before_commit")
        self.readers.make_room()
        self._connection.commit()
        reach("sink.after_commit")
        self._file.note(seq)
        self._seq, now = seq, self._clock()
        metrics.LAST_COMMIT.set(now / 1e6)
        self._unsettled = now if self._epoch else None
        self._epoch = Epoch()
        commit_metrics.count(tables)
        if seq % MEMORY_COMMITS == 0:
            metrics.RESULT_MEMORY.set(memory_of(self._connection))

    def _write(self, seq: int, tables: Mapping[str, pa.Table]) -> None:
        commit = Commit(self._connection, seq)
        self._connection.begin()
        commit.write(tables)
        self._upkeep.run(seq)
        commit.note(
            self._epoch.records,
            watermark=self._promises.watermark,
            settled=self._promises.settled,
            now=self._clock(),
        )

    def _checkpoint(self) -> None:
        """Checkpoint when the log is large; DuckDB itself would do so in the middle of a commit."""
        wal = wal_of(self._path)
        if not wal.exists() or wal.stat().st_size <= WAL_BYTES_MAX:
            return
        reach("sink.before_checkpoint")
        self.readers.make_room()
        with writing(self._path), self._file.checkpointing() as may_be:
            if may_be:
                self._connection.execute("checkpoint")

    def _report(self) -> None:
        for stream in STREAMS:
            metrics.watermarks(stream, self._promises.of(stream))
        if (settled := self._promises.settled) != START:
            metrics.SETTLED.set(settled / 1e6)

    def close(self) -> None:
        """Close the file. Buffered rows are not committed, because no snapshot includes them."""
        self.closing.close()
