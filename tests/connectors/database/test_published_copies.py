"""Copies of a result that is being written: whole, as of one commit, and replaced atomically."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest

from connectors.database.file import DatabaseError, create_database, wal_of
from connectors.database.published_copies import Publication, PublishedCopies
from tests.support.live_sql import held

EVERY = 1
"""Microseconds: each look publishes, unless a copy is being made."""


class Written:
    """A result that a job writes: each commit adds a row."""

    def __init__(self, folder: Path) -> None:
        self.path, self.link = folder / "result.duckdb", folder / "out" / "copy.duckdb"
        self.link.parent.mkdir()
        create_database(self.path, overwrite=False).close()
        self.closing = ExitStack()
        self.connection, self.file = self.closing.enter_context(held(self.path))
        self.seq = 0

    def commit(self) -> int:
        self.seq += 1
        self.connection.execute("insert into commits (seq, records) values (?, 1)", [self.seq])
        self.file.note(self.seq)
        return self.seq

    def checkpoint(self) -> bool:
        with self.file.checkpointing() as may_be:
            if may_be:
                self.connection.execute("checkpoint")
            return may_be


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    written = Written(tmp_path)
    yield written
    written.closing.close()


def copies(written: Written) -> PublishedCopies:
    return PublishedCopies(written.file, Publication(written.link, EVERY))


def commits(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute("select seq from commits order by seq").fetchall()
    return [seq for (seq,) in rows]


def files(written: Written) -> list[str]:
    return sorted(path.name for path in written.link.parent.iterdir())


def test_a_copy_is_whole_while_the_job_writes_on(written: Written) -> None:
    published = copies(written)
    for _ in range(3):
        written.commit()
    published.look(written.seq)
    written.commit()  # after the look, so not in the copy
    while published.is_copying:
        written.commit()
    assert commits(written.link) == [1, 2, 3]
    assert files(written) == ["copy.3.duckdb", "copy.duckdb"]
    assert not wal_of(written.link.resolve()).exists()


def test_a_copy_after_a_checkpoint_has_everything_too(written: Written) -> None:
    published = copies(written)
    written.commit()
    assert written.checkpoint()
    written.commit()
    published.look(written.seq)
    published.close()
    assert commits(written.link) == [1, 2]


def test_no_other_process_can_write_the_result_once_it_was_copied(written: Written) -> None:
    published = copies(written)
    published.look(written.commit())
    published.close()
    program = f"import duckdb; duckdb.connect({str(written.path)!r})"
    tried = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"Could not set lock on file" in tried.stderr


def test_a_reader_keeps_its_copy_while_ten_are_published(written: Written) -> None:
    published = copies(written)
    published.look(written.commit())
    published.close()
    with duckdb.connect(str(written.link), read_only=True) as reader:
        for _ in range(10):
            published.look(written.commit())
            published.close()
        assert reader.execute("select max(seq) from commits").fetchall() == [(1,)]
    assert commits(written.link) == list(range(1, 12))
    assert files(written) == ["copy.10.duckdb", "copy.11.duckdb", "copy.duckdb"]


def test_the_end_publishes_the_last_commit(written: Written) -> None:
    published = PublishedCopies(written.file, Publication(written.link, 60_000_000))
    published.look(written.commit())
    published.look(written.commit())
    published.close()
    assert commits(written.link) == [1, 2]


def test_the_end_publishes_the_last_commit_whatever_waits(written: Written) -> None:
    published = copies(written)
    with written.file.copying():
        written.commit()
        assert not written.checkpoint()
        published.look(written.seq)  # refused: a checkpoint is due
        while published.is_copying:
            pass
        assert not written.link.exists()
        published.close()
    assert commits(written.link) == [1]


def test_a_failure_is_reported_and_the_next_copy_succeeds(written: Written) -> None:
    published = copies(written)
    in_the_way = written.link.parent / "copy.1.duckdb.tmp"
    published.look(0)
    published.close()
    in_the_way.mkdir()
    published.look(written.commit())
    published.close()
    assert commits(written.link) == []
    in_the_way.rmdir()
    published.look(written.commit())
    published.close()
    assert commits(written.link) == [1, 2]


def test_what_a_killed_job_left_is_removed(written: Written) -> None:
    for name in ("copy.7.duckdb.tmp", "copy.7.duckdb.tmp.wal"):
        (written.link.parent / name).touch()
    (written.link.parent / "copy.of_mine.duckdb").touch()
    copies(written)
    assert files(written) == ["copy.of_mine.duckdb"]


def test_the_link_is_never_absent(written: Written) -> None:
    published = copies(written)
    published.look(written.commit())
    published.close()
    before = os.lstat(written.link)
    published.look(written.commit())
    while published.is_copying:
        assert commits(written.link)
    published.close()
    assert os.lstat(written.link).st_ino != before.st_ino


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("result.duckdb", "is the result itself"),
        ("copy", "has no suffix"),
        ("notes.txt", "is no link to a published copy"),
        ("nowhere/copy.duckdb", "is no folder that can be written"),
    ],
)
def test_where_no_copy_can_be_published(written: Written, link: str, why: str) -> None:
    (written.path.parent / "notes.txt").touch()
    with pytest.raises(DatabaseError, match=why):
        Publication(written.path.parent / link, EVERY).check(written.path)
