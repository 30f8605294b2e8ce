"""A writer whose database others query: what they take of its memory, it gets back."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pytest

from attribution.columnar.frames import Rows
from connectors.database.file import DatabaseError
from connectors.database.held_file import HeldFile
from connectors.database.ownership import writing
from tests.connectors.database.test_live_sink import (
    HOUR,
    SOURCE,
    ask,
    batch,
    commit,
    promises,
    sink,
)

LIMIT_MB = 100


@dataclass
class Hog:
    """Queries that have taken all memory, and yield it when they are asked to."""

    connection: duckdb.DuckDBPyConnection
    cursors: list[duckdb.DuckDBPyConnection] = field(default_factory=list)
    asked_to_end: int = 0

    def take(self) -> None:
        for rows in (400_000, 40_000, 4_000):
            with suppress(duckdb.OutOfMemoryException):
                while True:
                    self.cursors.append(self.connection.cursor())
                    self.cursors[-1].execute(f"select list(range) from range({rows})")

    def make_room(self) -> None:
        """Do nothing: as if it took too much only after it was looked at."""

    def end_all(self) -> None:
        self.asked_to_end += 1
        for cursor in self.cursors:
            cursor.close()


def test_a_commit_that_finds_no_memory_is_written_once_queries_have_ended(tmp_path: Path) -> None:
    hogs: list[Hog] = []

    @contextmanager
    def reading(connection: duckdb.DuckDBPyConnection, _file: HeldFile) -> Iterator[Hog]:
        connection.execute(f"set memory_limit = '{LIMIT_MB}MB'")
        hogs.append(Hog(connection))
        yield hogs[0]

    path = tmp_path / "result.duckdb"
    writer = replace(sink(path), reading=reading).build_part("write", "database", None)
    repeats = [
        SOURCE | {"event_id": f"{at:0>500}", "received_at": HOUR, "is_changed": False}
        for at in range(50_000)
    ]
    tables = {"duplicates": batch(*repeats)}
    hogs[0].take()
    assert commit(writer, Rows(tables, 50_000, promises(read=70, settled=20))) == 1
    assert hogs[0].asked_to_end == 1
    writer.close()
    assert ask(path, "select count(*), max(seq) from duplicates") == [(50_000, 1)]
    assert ask(path, "select seq, records from commits") == [(1, 50_000)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate"), 1),
        (duckdb.TransactionException("Failed to commit: could not allocate block"), 1),
        (duckdb.FatalException("FATAL Error: database has been invalidated because of"), 1),
        (duckdb.TransactionException("Failed to commit: No space left on device"), 4),
        (OSError(28, "No space left on device"), 4),
    ],
)
def test_want_of_memory_is_told_from_what_an_operator_has_to_mend(
    error: Exception, code: int
) -> None:
    with pytest.raises(DatabaseError) as caught, writing(Path("result.duckdb")):
        raise error
    assert caught.value.exit_code == code
