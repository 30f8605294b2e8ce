"""A copy of a result, fetched from the job that writes it."""

from pathlib import Path

import duckdb
import pytest

from connectors.database import held_file
from connectors.database.held_file import Copy, HeldFile
from connectors.sql import copies
from connectors.sql.copies import file_to_open
from connectors.sql.errors import LostJobError, QueryError
from flows.analysis.recorded import attach
from tests.support.live_sql import Live


def test_a_result_that_no_job_writes_is_opened_where_it_is(tmp_path: Path) -> None:
    database = tmp_path / "result.duckdb"
    database.touch()
    assert file_to_open(database, tmp_path) == database


def test_a_result_that_a_job_writes_is_attached_as_of_its_last_commit(
    live: Live, tmp_path: Path
) -> None:
    before = live.commit()
    with duckdb.connect() as connection:
        attach(connection, live.database, tmp_path)
        live.commit()
        rows = connection.execute("select max(seq) from result.commits").fetchall()
    assert rows == [(before,)]


def test_a_copy_needs_the_token_and_is_only_fetched(live: Live) -> None:
    assert live.ask("/copy", Authorization="Bearer wrong").status == 401
    assert live.ask("/copy").status == 200


def test_a_copy_that_ends_early_is_no_copy(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_file, "PIECE_BYTES", 4096)
    read = HeldFile.read

    def cut(self: HeldFile, copy: Copy, file: int | None, size: int, offset: int) -> bytes:
        return b"" if offset else read(self, copy, file, size, offset)

    monkeypatch.setattr(HeldFile, "read", cut)
    monkeypatch.setattr(copies, "START_SECONDS", 0)
    with pytest.raises(LostJobError, match="ended its copy early; ask again"):
        file_to_open(live.database, tmp_path)


def test_a_copy_is_refused_while_others_are_made(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_file, "COPIES_MAX", 1)
    monkeypatch.setattr(copies, "START_SECONDS", 0)
    with live.file.copying(), pytest.raises(LostJobError, match="cannot be copied at this moment"):
        file_to_open(live.database, tmp_path)
    assert file_to_open(live.database, tmp_path).exists()


@pytest.mark.parametrize("name", [copies.COPY, f"{copies.COPY}.wal"])
def test_a_copy_that_does_not_fit_names_the_folder(live: Live, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    live.commit()
    with pytest.raises(QueryError, match=r"does not fit into .*TMPDIR"):
        file_to_open(live.database, tmp_path)
