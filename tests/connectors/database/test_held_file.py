"""Copying the file of a result beside its writer: one commit each, bounded, never in its way."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import duckdb
import pytest

from connectors.database import held_file
from connectors.database.file import create_database, wal_of
from connectors.database.held_file import Copy, HeldFile, NoCopyError, write_copy
from tests.support.live_sql import held


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, HeldFile]]:
    path = tmp_path / "result.duckdb"
    create_database(path, overwrite=False).close()
    with held(path) as (connection, file):
        yield connection, file


def commit(connection: duckdb.DuckDBPyConnection, file: HeldFile, seq: int) -> None:
    connection.execute("insert into commits (seq, records) values (?, 1)", [seq])
    file.note(seq)


def commits(copy: Copy, path: Path) -> list[int]:
    write_copy(copy, path)
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute("select seq from commits order by seq").fetchall()
    return [seq for (seq,) in rows]


def checkpoint(connection: duckdb.DuckDBPyConnection, file: HeldFile) -> bool:
    with file.checkpointing() as may_be:
        if may_be:
            connection.execute("checkpoint")
        return may_be


def test_a_copy_is_as_of_the_commit_at_which_it_began(
    opened: tuple[duckdb.DuckDBPyConnection, HeldFile], tmp_path: Path
) -> None:
    connection, file = opened
    commit(connection, file, 1)
    with file.copying() as copy:
        commit(connection, file, 2)
        assert copy.of.seq == 1
        assert commits(copy, tmp_path / "one") == [1]
    with file.copying() as copy:
        assert commits(copy, tmp_path / "two") == [1, 2]


def test_a_checkpoint_waits_for_copies_and_is_next(
    opened: tuple[duckdb.DuckDBPyConnection, HeldFile], tmp_path: Path
) -> None:
    connection, file = opened
    commit(connection, file, 1)
    with file.copying() as copy:
        assert not checkpoint(connection, file)
        with pytest.raises(NoCopyError, match="ask again"), file.copying():
            pass
        assert commits(copy, tmp_path / "one") == [1]
    assert checkpoint(connection, file)
    assert not wal_of(file.path).exists()
    with file.copying() as copy:
        assert copy.of.wal_bytes == 0
        assert commits(copy, tmp_path / "two") == [1]


def test_more_copies_than_the_limit_are_refused(
    opened: tuple[duckdb.DuckDBPyConnection, HeldFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, file = opened
    monkeypatch.setattr(held_file, "COPIES_MAX", 1)
    with file.copying(), pytest.raises(NoCopyError, match="ask again"), file.copying():
        pass
    with file.copying():
        pass


@pytest.mark.parametrize("what", ["the end", "the time limit", "a checkpoint"])
def test_a_copy_that_cannot_be_completed_is_an_error(
    opened: tuple[duckdb.DuckDBPyConnection, HeldFile], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    connection, file = opened
    commit(connection, file, 1)
    monkeypatch.setattr(held_file, "PIECE_BYTES", 4096)
    with file.copying() as copy:
        pieces = chain(copy.file(), copy.log())
        next(pieces)
        if what == "the end":
            file.end()
        elif what == "a checkpoint":
            monkeypatch.setattr(held_file, "HELD_BYTES_MAX", 0)
            assert checkpoint(connection, file)
        else:
            monkeypatch.setattr(held_file, "COPY_SECONDS_MAX", 0)
        with pytest.raises(NoCopyError, match="ask again"):
            next(pieces)


def test_the_lock_stays_while_an_answer_is_being_read(tmp_path: Path) -> None:
    path = tmp_path / "result.duckdb"
    create_database(path, overwrite=False).close()
    program = f"import duckdb; duckdb.connect({str(path)!r})"
    with held(path) as (connection, file):
        commit(connection, file, 1)
        answer = connection.cursor().execute("from range(10_000_000)").to_arrow_reader()
        assert answer.read_next_batch().num_rows > 0
    tried = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"Could not set lock on file" in tried.stderr
    answer.close()
