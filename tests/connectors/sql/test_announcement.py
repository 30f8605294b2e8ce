"""The file that leads to a running job, and what must not be believed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.sql.announcement import Announcement, announcement_of, find_job

TOKEN = "secret"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "result.duckdb"
    path.write_bytes(b"")
    return path


def announced(database: Path, port: int = 1) -> Announcement:
    announcement = Announcement.of(database, port=port, token=TOKEN)
    announcement.write(database)
    return announcement


def test_who_looks_beside_the_result_finds_the_job(database: Path, tmp_path: Path) -> None:
    assert find_job(database) is None
    announcement = announced(database)
    (tmp_path / "link").symlink_to(database)
    assert find_job(database) == find_job(tmp_path / "link") == announcement
    assert (announcement.pid, announcement.token) == (os.getpid(), TOKEN)


def test_nobody_else_can_read_the_token(database: Path) -> None:
    os.umask(os.umask(0))  # whatever it is
    announced(database)
    assert announcement_of(database).stat().st_mode & 0o777 == 0o600


def test_one_that_is_there_is_replaced_and_only_its_own_is_removed(database: Path) -> None:
    first, second = announced(database, 1), announced(database, 2)
    first.remove(database)
    assert find_job(database) == second
    second.remove(database)
    assert not announcement_of(database).exists()
    second.remove(database)


def test_the_copy_of_a_result_does_not_lead_to_the_job(database: Path, tmp_path: Path) -> None:
    announced(database)
    (tmp_path / "copy").mkdir()
    for file in (database, announcement_of(database)):
        shutil.copy2(file, tmp_path / "copy")
    assert find_job(tmp_path / "copy" / database.name) is None


def test_a_process_that_has_ended_is_not_asked(database: Path) -> None:
    code = """import sys; from pathlib import Path
from connectors.sql.announcement import Announcement, find_job
database = Path(sys.argv[1])
Announcement.of(database, port=1, token="secret").write(database)
assert find_job(database)"""
    subprocess.run([sys.executable, "-c", code, str(database)], check=True)
    assert announcement_of(database).exists()
    assert find_job(database) is None


def test_another_process_with_the_number_of_the_one_that_ended_is_not_asked(
    database: Path,
) -> None:
    announced(database)
    path = announcement_of(database)
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps(told | {"process_start": told["process_start"] - 1}))
    assert find_job(database) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o700])
def test_what_others_may_have_read_or_written_is_not_believed(database: Path, mode: int) -> None:
    announced(database)
    announcement_of(database).chmod(mode)
    assert find_job(database) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_the_file_of_another_user_is_not_believed(database: Path) -> None:
    announced(database)
    os.chown(announcement_of(database), 65_534, -1)
    assert find_job(database) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 1}', "\0", "9" * 5000])
def test_what_is_no_announcement_is_ignored_and_replaced(database: Path, content: str) -> None:
    path = announcement_of(database)
    path.write_text(content)
    path.chmod(0o600)
    assert find_job(database) is None
    assert announced(database) == find_job(database)


def test_a_link_or_a_pipe_is_not_read(database: Path, tmp_path: Path) -> None:
    announced(database)
    path = announcement_of(database)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert find_job(database) is None
    path.unlink()
    os.mkfifo(path, 0o600)
    assert find_job(database) is None
